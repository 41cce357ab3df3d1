"""What carries events from an outbox to inboxes. Everything that must be right lies on its two ends."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from shared.events.envelope import OutboxRow
from shared.events.event import Subscription

if TYPE_CHECKING:
    from shared.service import Service

# Event type -> names of the services that subscribe to it.
Routes = Mapping[str, tuple[str, ...]]


class TransportDown(ConnectionError):
    """Nothing can be sent at all right now. It is nobody's fault in particular, so no row's attempts grow."""


class Ingest(Protocol):
    """The receiving end of a service."""

    @property
    def service(self) -> str: ...

    async def receive(self, envelopes: Sequence[dict[str, Any]], *, fresh: bool, only: str | None = None) -> None:
        """Take envelopes in; when it returns they are safe. `fresh` promises that they were never handed over before,
        not even to a process that died of them."""
        ...


class Transport(Protocol):
    """Delivers at least once and in the order it was given; it may repeat, it may not lose."""

    # Whether it tells on delivery that it has delivered before. If not, the relay counts attempts before it sends.
    tells_redelivery: bool

    async def send(self, service: str, rows: Sequence[OutboxRow]) -> dict[int, str | None]:
        """Deliver rows of one service's outbox. Returns the error per row id, nothing or None where it was delivered.
        Raises TransportDown when not one could be."""
        ...

    async def send_to(self, consumer: str, rows: Sequence[OutboxRow]) -> None:
        """Deliver rows to one consumer (`service.consumer`) only: replay. Raises when one was not taken."""
        ...

    async def attach(self, ingest: Ingest) -> None:
        """Start handing what arrives for the ingest's service to it."""
        ...

    async def detach(self, ingest: Ingest) -> None:
        """Stop handing over; what is in hand is finished first."""
        ...

    async def close(self) -> None:
        """Let go of everything that is still open."""
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
