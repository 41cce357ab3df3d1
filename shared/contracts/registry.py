"""All published events, found by walking the contract modules."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from shared import contracts
from shared.events.event import Event


def all_events() -> dict[str, type[Event]]:
    """Event classes by their type, such as `payment.paid`, each in its newest version."""
    return {name: event for (name, _), event in sorted(all_versions().items())}


def all_versions() -> dict[tuple[str, int], type[Event]]:
    """Event classes by type and version. Raises ValueError when two classes claim the same."""
    found: dict[tuple[str, int], type[Event]] = {}
    for event in _declared():
        if found.setdefault((event.event_type, event.event_version), event) is not event:
            raise ValueError(f"{event.event_type} version {event.event_version} has two classes")
    return found


def _declared() -> Iterator[type[Event]]:
    """What a module merely imports is found twice, as the same class; parents of families have no type."""
    for module in pkgutil.iter_modules(contracts.__path__, f"{contracts.__name__}."):
        for value in vars(import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Event) and hasattr(value, "event_type"):
                yield value
