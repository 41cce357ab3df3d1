"""What carries events from an outbox to inboxes. Everything that must be right lies on its two ends."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from shared.events.envelope import OutboxRow
from shared.events.event import Subscription

if TYPE_CHECKING:
    from shared.events.inbox import Inbox
    from shared.service import Service

# Event type -> names of the services that subscribe to it.
Routes = Mapping[str, tuple[str, ...]]


class Transport(Protocol):
    """Delivers at least once and in the order it was given; it may repeat, it may not lose."""

    async def send(self, service: str, rows: Sequence[OutboxRow]) -> dict[int, str | None]:
        """Deliver rows of one service's outbox. Returns the error per row id, None where it was delivered."""
        ...

    async def send_to(self, consumer: str, rows: Sequence[OutboxRow]) -> None:
        """Deliver rows to one consumer (`service.consumer`) only: replay. Raises when one was not taken."""
        ...

    async def attach(self, inbox: "Inbox") -> None:
        """Start storing what arrives for the inbox's service."""
        ...

    async def detach(self, inbox: "Inbox") -> None:
        """Stop storing; what is in hand is finished first."""
        ...


def routes_of(services: "Iterable[Service]") -> Routes:
    """Who wants what, taken from the manifests."""
    routes: dict[str, tuple[str, ...]] = {}
    for service in services:
        for event_type in types_of(service.subscribes):
            routes[event_type] = (*routes.get(event_type, ()), service.name)
    return routes


def types_of(subscriptions: Iterable[Subscription]) -> list[str]:
    return sorted({entry.event.event_type for entry in subscriptions})
