"""The transport without a broker: outbox rows are handed straight to the subscribers' inboxes.

The copy commits first and the source is marked after, so a crash between the two repeats the copy and the inbox's key
drops the repeat: at least once here, once in effect.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.database import Database
from shared.events.envelope import OutboxRow
from shared.events.inbox import Inbox
from shared.events.transport import Ingest, routes_of

if TYPE_CHECKING:
    from shared.service import Service


class LocalTransport:
    """Knows the inbox of every service from the start, so that events sent before its workers run are kept for it."""

    tells_redelivery = False

    def __init__(self, databases: Mapping[str, Database], services: "Iterable[Service]") -> None:
        services = tuple(services)
        self._routes = routes_of(services)
        self._stores: dict[str, Ingest] = {
            service.name: _Store(Inbox(databases[service.name], service.name, service.subscribes))
            for service in services
        }
        self._attached: dict[str, Ingest] = {}

    async def send(self, service: str, rows: Sequence[OutboxRow]) -> dict[int, str | None]:  # noqa: ARG002
        """Deliver to each subscriber on its own: one whose database is away holds up its own rows only."""
        batches = {name: [row for row in rows if name in self._routes.get(row.type, ())] for name in self._stores}
        wanted = {name: batch for name, batch in batches.items() if batch}
        results = await asyncio.gather(*(self._deliver(name, batch) for name, batch in wanted.items()))
        errors: dict[int, str | None] = {}
        for (name, batch), error in zip(wanted.items(), results, strict=True):
            if error:
                errors |= {row.id: f"{name}: {error}" for row in batch}
        return errors

    async def send_to(self, consumer: str, rows: Sequence[OutboxRow]) -> None:
        service = consumer.split(".", maxsplit=1)[0]
        await self._ingest_of(service).receive(
            [{**row.envelope, "replay": True} for row in rows], fresh=False, only=consumer
        )

    async def attach(self, ingest: Ingest) -> None:
        self._attached[ingest.service] = ingest

    async def detach(self, ingest: Ingest) -> None:
        self._attached.pop(ingest.service, None)

    async def close(self) -> None:
        """Nothing is open: the databases belong to their services."""

    def _ingest_of(self, service: str) -> Ingest:
        return self._attached.get(service) or self._stores[service]

    async def _deliver(self, service: str, rows: Sequence[OutboxRow]) -> str | None:
        try:
            fresh = all(row.attempts == 0 for row in rows)
            await self._ingest_of(service).receive([row.envelope for row in rows], fresh=fresh)
        except Exception as error:  # noqa: BLE001 - the rows stay in the outbox and are sent again
            return type(error).__name__
        return None


class _Store:
    """Keeps what arrives while nobody works."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.service = inbox.service

    async def receive(
        self,
        envelopes: Sequence[dict[str, Any]],
        *,
        fresh: bool,  # noqa: ARG002
        only: str | None = None,
    ) -> None:
        await self._inbox.store(envelopes, only=only)
