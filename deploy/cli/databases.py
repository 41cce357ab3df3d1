"""How operator commands reach the databases: those of a running platform, or those they start for themselves."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from deploy.home import home_from_environment
from deploy.services import SERVICES, service_named
from shared.runtime import Runtime


@contextmanager
def service_urls() -> Iterator[dict[str, str]]:
    """Each service's database URL, with the environment of the data folder set for this process.

    A Postgres that is already running for the folder is used as it is; otherwise one runs for the block.
    """
    given = {service.name: os.environ.get(f"{service.name.upper()}_DATABASE_URL") for service in SERVICES}
    if all(given.values()):
        yield {name: url for name, url in given.items() if url}
        return
    from deploy.local.platform import prepare_environment  # noqa: PLC0415
    from deploy.local.server import postgres_of  # noqa: PLC0415

    home = home_from_environment()
    with postgres_of(home) as server_url:
        yield prepare_environment(home, server_url)


@asynccontextmanager
async def runtime_for(name: str) -> AsyncIterator[Runtime]:
    """A service's runtime for one command: its database and settings, no relay, no workers, no timers."""
    from deploy.composition import clock_of, database_of, http_client, runtime_of  # noqa: PLC0415
    from shared.events.testing import SilentTransport  # noqa: PLC0415

    service = service_named(name)
    settings = service.settings()
    clock = clock_of(settings)
    async with http_client() as http:
        database = database_of(service, settings, clock)
        await database.open()
        try:
            yield runtime_of(
                service,
                settings,
                database=database,
                transport=SilentTransport(),
                http=http,
                clock=clock,
                roles=frozenset(),
            )
        finally:
            await database.close()
