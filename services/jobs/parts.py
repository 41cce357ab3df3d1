"""What the service keeps open for its life, by the roles of its process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from services.jobs.catalogue import open_catalogue
from services.jobs.feed import Feed
from services.jobs.pace import Paces
from services.jobs.presenting import Presenter
from services.jobs.queue import Queue
from services.jobs.runner.runner import Runner
from services.jobs.settings import JobsSettings
from services.jobs.usecases import Desk
from services.jobs.wakeups import Wakeups
from services.jobs.webhooks.gateway import Gateway
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True)
class JobsParts:
    runtime: Runtime
    settings: JobsSettings
    desk: Desk
    queue: Queue
    wakeups: Wakeups
    feed: Feed
    presenter: Presenter
    webhooks: Gateway
    runner: Runner | None


@asynccontextmanager
async def open_parts(runtime: Runtime) -> AsyncIterator[JobsParts]:
    settings = cast(JobsSettings, runtime.settings)
    catalogue = open_catalogue(settings.extra_tools, settings.providers, settings.engines)
    wakeups = Wakeups(runtime.database, settings.amqp_url)
    parts = JobsParts(
        runtime=runtime,
        settings=settings,
        desk=Desk(catalogue, settings),
        queue=Queue(runtime.database),
        wakeups=wakeups,
        feed=Feed(runtime.database, wakeups, runtime.clock),
        presenter=Presenter(runtime.storage, Paces(runtime.database), link_seconds=settings.result_url_seconds),
        webhooks=Gateway(allow_loopback=settings.calls_loopback),
        runner=Runner(runtime, settings, catalogue, wakeups) if "runner" in runtime.roles else None,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(parts.webhooks.close)
        await stack.enter_async_context(wakeups.open())
        await stack.enter_async_context(parts.feed.open())
        if parts.runner:
            await stack.enter_async_context(parts.runner.open())
        yield parts


async def _parts(request: Request) -> JobsParts:
    return cast(JobsParts, request.app.state.runtime.parts)


Parts = Annotated[JobsParts, Depends(_parts)]
