"""Several services on real databases, joined by one transport, as in one process or as over a broker."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.clock import SystemClock
from shared.database import Database
from shared.events.bus import Bus
from shared.events.event import Event
from shared.events.outbox import publish
from shared.events.testing import AccidentTransport
from shared.events.transport import Transport
from shared.runtime import Runtime
from shared.service import Service
from tests.support.postgres import database_of

PATIENCE_SECONDS = 30


@dataclass
class Buses:
    """`bus["chat"]` and `database["chat"]`; nothing runs before `start`."""

    services: Mapping[str, Service]
    database: Mapping[str, Database]
    transport: AccidentTransport
    bus: dict[str, Bus]

    async def start(self, *names: str) -> None:
        """Start relay, intake and workers of the named services, or of all."""
        for name in names or self.services:
            await self.bus[name].start(relay=True, workers=True)

    async def stop(self, *names: str) -> None:
        """Stop them as a process would; a later `start` is a new process."""
        for name in names or self.services:
            await self.bus[name].stop()
            self.bus[name] = _bus(self.services[name], self.database[name], self.transport)

    async def publish(self, service: str, *events: tuple[Event, int]) -> list[UUID]:
        """Publish (event, sequence) pairs in one transaction."""
        async with self.database[service].write() as session:
            return [await publish(session, event, sequence=sequence) for event, sequence in events]

    async def rows(self, service: str, query: str, **values: Any) -> list[dict[str, Any]]:
        async with self.database[service].pool.connection() as connection:
            return await (await connection.execute(query.encode(), values)).fetchall()

    async def scalar(self, service: str, query: str, **values: Any) -> Any:
        return next(iter((await self.rows(service, query, **values))[0].values()))

    async def until(self, fact: Callable[[], Awaitable[Any]], *, seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait for a fact to become true; its value."""
        deadline = time.monotonic() + seconds
        while not (value := await fact()):
            assert time.monotonic() < deadline, "it never became true"
            await asyncio.sleep(0.02)
        return value

    async def until_handled(self, service: str, count: int) -> None:
        """Wait until the service's inbox holds `count` handled events."""

        async def handled() -> bool:
            return await self.scalar(service, "SELECT count(*) FROM inbox WHERE status IN (1, 3)") >= count

        await self.until(handled)


@asynccontextmanager
async def joined(
    *services: Service, transport: Callable[[Mapping[str, Database], tuple[Service, ...]], Transport]
) -> AsyncIterator[Buses]:
    """The services on fresh databases, joined by `transport(databases, services)`."""
    async with AsyncExitStack() as stack:
        urls = {service.name: stack.enter_context(database_of(service)) for service in services}
        databases = {name: Database(url, service=name, clock=SystemClock()) for name, url in urls.items()}
        for database in databases.values():
            await database.open()
            stack.push_async_callback(database.close)
        joint = AccidentTransport(transport(databases, services))
        stack.push_async_callback(joint.close)
        by_name = {service.name: service for service in services}
        buses = Buses(by_name, databases, joint, {})
        buses.bus.update({name: _bus(by_name[name], databases[name], joint) for name in by_name})
        stack.push_async_callback(buses.stop)
        yield buses


def _bus(service: Service, database: Database, transport: Transport) -> Bus:
    return Bus(runtime_of_bus(service, database, transport), service.subscribes)


def runtime_of_bus(service: Service, database: Database, transport: Transport) -> Runtime:
    """A runtime with the parts that a bus and its handlers use; the rest stays empty."""
    settings = service.settings(database_url=database.url, signing_secret="tests-sign-with-this")
    nothing: Any = None
    return Runtime(
        service=service.name,
        settings=settings,
        database=database,
        transport=transport,
        http=nothing,
        clock=database.clock,
        storage=nothing,
        mailer=nothing,
        keys=nothing,
    )
