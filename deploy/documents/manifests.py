"""What a document needs to know of a service: who publishes an event and who consumes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from deploy.documents.data_model import Owner
from deploy.gateway.generate import Gated
from shared.contracts.registry import all_versions
from shared.events.event import Event, Subscription
from shared.routing import Router


class Manifest(Gated, Owner, Protocol):
    """The part of `shared.service.Service` that documents tell of: its events, its routes, its paths and its limits."""

    @property
    def name(self) -> str: ...
    @property
    def router(self) -> Router: ...
    @property
    def publishes(self) -> tuple[type[Event], ...]: ...
    @property
    def subscribes(self) -> tuple[Subscription, ...]: ...


@dataclass(frozen=True, slots=True)
class Consumer:
    """A subscription and the service that it belongs to."""

    service: str
    subscription: Subscription

    @property
    def name(self) -> str:
        return f"{self.service}.{self.subscription.consumer}"


@dataclass(frozen=True, slots=True)
class Flow:
    """One version of an event with everyone at its two ends, by name."""

    event: type[Event]
    publishers: tuple[str, ...]
    consumers: tuple[Consumer, ...]

    @property
    def key(self) -> str:
        """The type, with its version once there is a second one."""
        kind = self.event
        return kind.event_type if kind.event_version == 1 else f"{kind.event_type}.v{kind.event_version}"


def flows(services: Sequence[Manifest]) -> list[Flow]:
    """A flow for each event of the contract, published yet or not, by type and version."""
    return [
        Flow(event, _publishers_of(event, services), tuple(_consumers_of(event, services)))
        for _, event in sorted(all_versions().items())
    ]


def _publishers_of(event: type[Event], services: Sequence[Manifest]) -> tuple[str, ...]:
    return tuple(sorted(service.name for service in services if event in service.publishes))


def _consumers_of(event: type[Event], services: Sequence[Manifest]) -> Iterator[Consumer]:
    for service in sorted(services, key=lambda service: service.name):
        for subscription in sorted(service.subscribes, key=lambda entry: entry.consumer):
            if subscription.event is event:
                yield Consumer(service.name, subscription)
