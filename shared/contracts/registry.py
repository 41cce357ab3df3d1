"""All published events by type, found by walking the contract modules."""

from shared.contracts import accounts, billing, chat, common, community, jobs
from shared.events.event import Event

MODULES = (accounts, billing, chat, common, community, jobs)


def all_events() -> dict[str, type[Event]]:
    """Event classes by their type, such as `payment.paid`. Raises ValueError when two claim one type."""
    found: dict[str, type[Event]] = {}
    for module in MODULES:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Event) and hasattr(value, "event_type"):
                if found.setdefault(value.event_type, value) is not value:
                    raise ValueError(f"{value.event_type} has two classes")
    return found
