"""Transports and deliveries for tests: silent, or with the accidents of real ones on demand."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from shared.events.envelope import OutboxRow, envelope_of
from shared.events.event import Event
from shared.events.inbox import Inbox
from shared.events.transport import Ingest, Transport, TransportDown
from shared.ids import new_id

if TYPE_CHECKING:
    from shared.runtime import Runtime
    from shared.service import Service


class SilentTransport:
    """Takes everything and delivers nothing: for one service on its own."""

    tells_redelivery = True

    async def send(self, service: str, rows: Sequence[OutboxRow]) -> dict[int, str | None]:  # noqa: ARG002
        return {}

    async def send_to(self, consumer: str, rows: Sequence[OutboxRow]) -> None:
        """Nobody listens."""

    async def attach(self, ingest: Ingest) -> None:
        """Nothing will arrive."""

    async def detach(self, ingest: Ingest) -> None:
        """Nothing was attached."""

    async def close(self) -> None:
        """Nothing was opened."""


class CrashBeforeMark(BaseException):
    """Stands for the process dying after delivery and before the outbox is marked."""


class AccidentTransport:
    """A real transport with accidents: duplicates, reordering, losses that are reported, a crash after delivery."""

    def __init__(self, inner: Transport, *, seed: int = 0) -> None:
        self._inner, self._random = inner, random.Random(seed)  # noqa: S311
        self.tells_redelivery = inner.tells_redelivery
        self.duplicate = self.reorder = self.refuse = self.crash = self.down = False

    async def send(self, service: str, rows: Sequence[OutboxRow]) -> dict[int, str | None]:
        if self.down:
            raise TransportDown("down")
        if self.refuse:
            return dict.fromkeys((row.id for row in rows), "refused")
        wanted = list(rows)
        if self.reorder:
            self._random.shuffle(wanted)
        errors = await self._inner.send(service, wanted)
        if self.duplicate:
            await self._inner.send(service, wanted)
        if self.crash:
            raise CrashBeforeMark
        return errors

    async def send_to(self, consumer: str, rows: Sequence[OutboxRow]) -> None:
        await self._inner.send_to(consumer, rows)

    async def attach(self, ingest: Ingest) -> None:
        await self._inner.attach(ingest)

    async def detach(self, ingest: Ingest) -> None:
        await self._inner.detach(ingest)

    async def close(self) -> None:
        await self._inner.close()


async def deliver_to(
    runtime: "Runtime", service: "Service", event: Event, *, sequence: int = 1, event_id: UUID | None = None
) -> UUID:
    """Store an event in a service's inbox as a transport would; the publisher is the contract's first."""
    event_id = event_id or new_id()
    envelope = envelope_of(
        event,
        event_id=event_id,
        source=type(event).event_publishers[0],
        sequence=sequence,
        occurred_at=runtime.clock.now(),
    )
    await Inbox(runtime.database, service.name, service.subscribes).store([envelope])
    return event_id
