"""The whole platform in one process: databases, migrations, five apps, the twin, the front door, one router."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp

from deploy.composition import clock_of, database_of, http_client, runtime_of
from deploy.embedded.databases import prepare_databases
from deploy.front.app import FrontSettings, create_front
from deploy.home import Home
from deploy.local.gateway import Gateway
from deploy.services import SERVICES
from deploy.stripe_twin.app import create_twin
from deploy.stripe_twin.settings import TwinSettings
from services.accounts.verification import verify
from services.billing.usecases.webhooks import HANDLED
from shared import migrations
from shared.clock import Clock, OffsetClock
from shared.events.local import LocalTransport
from shared.runtime import Runtime
from shared.service import create_app
from shared.settings import Settings

TWIN_DATABASE = "stripe_twin"
HEALTH_SECONDS = 2

Progress = Callable[[str], None]


def prepare_environment(home: Home, server_url: str) -> dict[str, str]:
    """Databases, and the environment that services read. Returns each database's URL; safe to repeat."""
    names = [*(service.name for service in SERVICES), TWIN_DATABASE]
    urls = prepare_databases(server_url, names, lambda name: home.secret(f"database_{name}"))
    urls |= {name: given for name in urls if (given := os.environ.get(f"{name.upper()}_DATABASE_URL"))}
    os.environ.update(home.variables())
    os.environ.update({f"{name.upper()}_DATABASE_URL": url for name, url in urls.items()})
    return urls


def prepare(home: Home, server_url: str, progress: Progress) -> dict[str, str]:
    """Databases, environment and schema; safe to repeat after any crash."""
    progress("Preparing databases")
    urls = prepare_environment(home, server_url)
    for service in SERVICES:
        if migrations.upgrade(service, urls[service.name]):
            progress(f"Migrated {service.name}")
    return urls


@asynccontextmanager
async def open_platform(home: Home, progress: Progress = lambda _step: None) -> AsyncIterator[ASGIApp]:
    """The gateway with everything behind it running. `prepare` must have been called in this process."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(http_client())
        settings = {service.name: service.settings() for service in SERVICES}
        clock = clock_of(settings["accounts"])
        runtimes = _runtimes(settings, http, clock)
        apps: dict[str, FastAPI] = {}
        for service in SERVICES:
            progress(f"Starting {service.name}")
            apps[service.name] = create_app(service, runtimes[service.name])
            await stack.enter_async_context(_lifespan(apps[service.name]))
        twin = await _start_twin(stack, home, http, clock)
        yield Gateway(
            services={service.name: service for service in SERVICES},
            apps=apps,
            front=create_front(_front_settings(home, apps, runtimes)),
            twin=twin,
            verify=partial(verify, runtimes["accounts"]),
            settings=settings["accounts"],
        )


def _runtimes(settings: Mapping[str, Settings], http: httpx.AsyncClient, clock: Clock) -> dict[str, Runtime]:
    databases = {service.name: database_of(service, settings[service.name], clock) for service in SERVICES}
    transport = LocalTransport(databases, SERVICES)
    return {
        service.name: runtime_of(
            service,
            settings[service.name],
            database=databases[service.name],
            transport=transport,
            http=http,
            clock=clock,
        )
        for service in SERVICES
    }


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Apps behind a router of ours get no lifespan from the server, so it is entered here.
    async with app.router.lifespan_context(app):
        yield


def _front_settings(home: Home, apps: Mapping[str, FastAPI], runtimes: Mapping[str, Runtime]) -> FrontSettings:
    async def documents() -> dict[str, dict[str, Any]]:
        return {name: app.openapi() for name, app in apps.items()}

    async def is_up(runtime: Runtime) -> bool:
        try:
            async with asyncio.timeout(HEALTH_SECONDS), runtime.database.pool.connection() as connection:
                await connection.execute("SELECT 1")
        except Exception:  # noqa: BLE001 - whatever keeps a database from answering, the part is down
            return False
        return True

    async def health() -> dict[str, bool]:
        return {name: await is_up(runtime) for name, runtime in runtimes.items()}

    settings = runtimes["accounts"].settings
    return FrontSettings(not settings.is_production, home.mail, documents, health)


async def _start_twin(stack: AsyncExitStack, home: Home, http: httpx.AsyncClient, clock: Clock) -> ASGIApp | None:
    """The offline Stripe, unless a real key was given."""
    if "STRIPE_API_BASE" not in os.environ or not isinstance(clock, OffsetClock):
        return None
    twin = create_twin(
        TwinSettings(
            database_url=os.environ[f"{TWIN_DATABASE.upper()}_DATABASE_URL"],
            public_url=os.environ["STRIPE_API_BASE"],
            webhook_url=f"{home.public_url}/v1/webhooks/stripe",
            webhook_secret=os.environ["STRIPE_WEBHOOK_SECRET"],
            webhook_events=tuple(HANDLED),
            environment="local",
            http=http,
        ),
        clock,
    )
    await stack.enter_async_context(twin.router.lifespan_context(twin))
    return twin
