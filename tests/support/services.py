"""One service on a real database, entered through HTTP and events only."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from shared.clock import ManualClock
from shared.database import Database
from shared.events.bus import Bus
from shared.events.event import Event
from shared.events.testing import SilentTransport, deliver_to
from shared.identity import IDENTITY_HEADER
from shared.mail import FolderMailer
from shared.runtime import Runtime
from shared.service import Service, create_app
from shared.storage import open_storage
from tests.support.callers import TestKeys, identity_token
from tests.support.postgres import database_of

PUBLIC_URL = "http://atelier.test"
SIGNING_SECRET = "tests-sign-with-this"


@dataclass
class RunningService:
    """A service under test. Relay, workers and timers stand still unless a test drives them."""

    service: Service
    app: FastAPI
    runtime: Runtime
    clock: ManualClock

    @property
    def bus(self) -> Bus:
        return self.app.state.bus

    def client(self, user_id: UUID | None = None, **claims: Any) -> httpx.AsyncClient:
        """An HTTP client: anonymous without a user, else with a genuine token for this service."""
        headers = {}
        if user_id is not None:
            headers[IDENTITY_HEADER] = identity_token(self.service.name, user_id, **claims)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers)

    def admin(self, user_id: UUID, role: str = "admin") -> httpx.AsyncClient:
        return self.client(user_id, roles=["user", role])

    async def receive(self, event: Event, *, sequence: int = 1, event_id: UUID | None = None) -> UUID:
        """Deliver an event as a transport would, and handle everything that is due. Returns the event's id."""
        delivered = await deliver_to(self.runtime, self.service, event, sequence=sequence, event_id=event_id)
        await self.bus.drain()
        return delivered

    async def published(self, event_type: str | None = None) -> list[dict[str, Any]]:
        """The envelopes in the outbox, oldest first; each has `type`, `subject`, `sequence` and `data`."""
        query = "SELECT envelope FROM outbox WHERE %(type)s::text IS NULL OR type = %(type)s ORDER BY id"
        return [row["envelope"] for row in await self.rows(query, type=event_type)]

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """Rows of a query against the service's own database, for assertions no interface can answer."""
        async with self.runtime.database.pool.connection() as connection:
            return await (await connection.execute(query, values)).fetchall()


@asynccontextmanager
async def running_service(
    service: Service,
    *,
    clock: ManualClock | None = None,
    roles: frozenset[str] = frozenset({"web"}),
    template: str | None = None,
    database: str | None = None,
    **settings: Any,
) -> AsyncIterator[RunningService]:
    """The service on a fresh database. `settings` override fields of its settings class."""
    with (
        database_of(service, template=template, name=database) as url,
        tempfile.TemporaryDirectory(prefix="atelier-files-") as folder,
    ):
        clock = clock or ManualClock()
        values = {"database_url": url, "public_url": PUBLIC_URL, "signing_secret": SIGNING_SECRET, **settings}
        async with httpx.AsyncClient() as http:
            runtime = Runtime(
                service=service.name,
                settings=service.settings(**values),
                database=Database(url, service=service.name, clock=clock),
                transport=SilentTransport(),
                http=http,
                clock=clock,
                storage=open_storage(f"{folder}/files", public_url=str(values["public_url"]), secret=SIGNING_SECRET),
                mailer=FolderMailer(Path(folder) / "mail"),
                keys=TestKeys(),
                roles=roles,
            )
            app = create_app(service, runtime)
            async with app.router.lifespan_context(app):
                yield RunningService(service, app, runtime, clock)
