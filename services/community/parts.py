"""What the service keeps open for its life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from services.community.forum.watching import Watching
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True)
class CommunityParts:
    watching: Watching


@asynccontextmanager
async def open_parts(runtime: Runtime) -> AsyncIterator[CommunityParts]:
    watching = Watching(runtime.database, runtime.clock)
    async with watching.running():
        yield CommunityParts(watching)


async def _parts(request: Request) -> CommunityParts:
    return cast(CommunityParts, request.app.state.runtime.parts)


Parts = Annotated[CommunityParts, Depends(_parts)]
