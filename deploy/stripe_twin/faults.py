"""Failures on demand: a call that never arrives, one that acts and is never answered, and Stripe's own refusals."""

import asyncio
import contextlib
from fnmatch import fnmatchcase

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deploy.stripe_twin.errors import StripeError
from deploy.stripe_twin.settings import PREFIX
from deploy.stripe_twin.store import Store

KINDS = ("timeout_before", "timeout_after", "429", "500", "409", "reset")
HANG_SECONDS = 100
REFUSALS = {
    "429": StripeError(429, "Too many requests hit the API too quickly.", code="rate_limit"),
    "500": StripeError(500, "An error occurred on our end.", type="api_error"),
    "409": StripeError(409, "The object is being changed by another request; try again.", code="lock_timeout"),
}


async def take_fault(store: Store, method: str, path: str) -> str | None:
    """Count down and return the first fault that matches this call; paths may hold `*`, with or without the prefix."""
    async with store.statement() as connection:
        cursor = await connection.execute("SELECT id, method, path, kind FROM faults WHERE times > 0 ORDER BY id")
        for fault in await cursor.fetchall():
            if fault["method"] in ("*", method) and fnmatchcase(path, fault["path"].removeprefix(PREFIX)):
                taken = await connection.execute(
                    "UPDATE faults SET times = times - 1 WHERE id = %s AND times > 0", [fault["id"]]
                )
                if taken.rowcount:
                    return str(fault["kind"])
    return None


def refuse(fault: str | None) -> None:
    """Raise the refusal of this name, if it is one."""
    if fault in REFUSALS:
        raise REFUSALS[fault]


async def hang(request: Request) -> Response:
    """Keep the caller waiting until it gives up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HANG_SECONDS):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    return Reset()


class Reset(Response):
    """Promise a body and send none: the server then cuts the connection."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
