"""Liveness, readiness and metrics of one service; never reachable from outside."""

import asyncio

from fastapi import Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from shared.errors import Unavailable
from shared.routing import Router, public

router = Router(include_in_schema=False)

DATABASE_TIMEOUT_SECONDS = 2


@router.get("/livez", access=public)
async def tell_live() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", access=public)
async def tell_ready(request: Request) -> dict[str, str]:
    """Ready means the database answers. A broker that is down keeps us ready: the outbox fills and drains later."""
    runtime = request.app.state.runtime
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT_SECONDS), runtime.database.pool.connection() as connection:
            await connection.execute("SELECT 1")
    except Exception as error:
        raise Unavailable("The database does not answer.") from error
    return {"status": "ready", "service": runtime.service}


@router.get("/metrics", access=public)
async def show_metrics(request: Request) -> Response:
    state = request.app.state
    await state.bus.measure()
    if state.service.measure:
        await state.service.measure(state.runtime)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
