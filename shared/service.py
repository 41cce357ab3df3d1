"""The service manifest: one value that tells reader, host, tests and docs the same thing, and the app made from it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import MetaData

from shared import health, problems
from shared.events.bus import Bus
from shared.events.event import Event, Subscription
from shared.http import Envelope
from shared.identity import Verifier
from shared.routing import Router
from shared.runtime import Runtime
from shared.settings import Settings
from shared.timers import Every, run_timers

type_of_parts = Callable[[Runtime], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A bounded context. `paths` are gateway patterns (`/v1/billing/*`); `body_limits` maps path prefixes to bytes.

    `parts` opens what the service keeps for its life (outside gateways, indexes, runners); the value is
    `runtime.parts`. `seed` runs after migrations, must be idempotent, and creates first content through use cases.
    `measure` brings the service's own gauges up to date when its metrics are read.
    """

    name: str
    paths: tuple[str, ...]
    router: Router
    metadata: MetaData
    migrations: Path
    settings: type[Settings]
    publishes: tuple[type[Event], ...] = ()
    subscribes: tuple[Subscription, ...] = ()
    every: tuple[Every, ...] = ()
    parts: type_of_parts | None = None
    seed: Callable[[Runtime], Awaitable[None]] | None = None
    measure: Callable[[Runtime], Awaitable[None]] | None = None
    body_limits: Mapping[str, int] = field(default_factory=dict)


def create_app(service: Service, runtime: Runtime) -> FastAPI:
    """The service as an ASGI app on this runtime. Its lifespan starts what the runtime's roles ask for."""
    app = _routed(service.name, service.router, service.body_limits, lifespan=_lifespan_of(service, runtime))
    app.state.runtime = runtime
    app.state.service = service
    app.state.verifier = Verifier(service.name, runtime.keys)
    return app


def openapi_of(name: str, router: Router) -> dict[str, Any]:
    """A service's OpenAPI document, without anything that runs."""
    return _routed(name, router, {}).openapi()


def _routed(name: str, router: Router, body_limits: Mapping[str, int], **options: Any) -> FastAPI:
    app = FastAPI(
        title=f"Atelier {name}",
        version="1",
        openapi_url="/internal/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=problems.RESPONSES,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: f"{name}_{route.name}",
        **options,
    )
    problems.install(app)
    router.attach(app)
    health.router.attach(app)
    app.add_middleware(Envelope, service=name, body_limits=body_limits)
    return app


def _lifespan_of(service: Service, runtime: Runtime) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(service, runtime) as bus:
            app.state.bus = bus
            yield

    return lifespan


@asynccontextmanager
async def running(service: Service, runtime: Runtime) -> AsyncIterator[Bus]:
    """Open the database and the parts, seed, then run relay, workers and timers until the block ends."""
    async with AsyncExitStack() as stack:
        await runtime.database.open()
        stack.push_async_callback(runtime.database.close)
        if service.parts:
            runtime.parts = await stack.enter_async_context(service.parts(runtime))
        works = "worker" in runtime.roles
        if works and service.seed:
            await service.seed(runtime)
        bus = Bus(runtime, service.subscribes)
        await bus.start(relay=works, workers=works)
        stack.push_async_callback(bus.stop)
        if works:
            await stack.enter_async_context(run_timers(service.every, runtime))
        yield bus
