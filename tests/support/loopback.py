"""Real HTTP in a test: an app on a free loopback port, in the test's own event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import uvicorn
from starlette.types import ASGIApp

# Clients drop an idle connection after five seconds, as the server would by default: at times, both at once.
OPTIONS: dict[str, Any] = {"lifespan": "off", "log_config": None, "access_log": False, "timeout_keep_alive": 75}


def listening_socket() -> socket.socket:
    """A socket bound to a free port; binding before serving means that nobody can take the port in between."""
    # Only a socket that says TCP gets TCP_NODELAY from asyncio; without it answers wait 40 ms for an acknowledgement.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", 0))
    return bound


@asynccontextmanager
async def served(app: ASGIApp, bound: socket.socket, **options: Any) -> AsyncIterator[str]:
    """Serve the app on the socket for the length of the block, with these options of uvicorn; yields its base URL."""
    configuration = uvicorn.Config(app, **{**OPTIONS, **options})
    server = uvicorn.Server(configuration)
    # The test's own signal handlers stay; the block decides when the server ends.
    serving = asyncio.create_task(server._serve([bound]))
    while not server.started:
        await asyncio.sleep(0.005)
        if serving.done():
            serving.result()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def read_events(response: httpx.Response) -> AsyncIterator[tuple[str, str | None, Any]]:
    """The events of a stream, as (name, id, data); comments are left out."""
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
        elif event.pop("retry", None) is None and "event" in event:
            yield event["event"], event.get("id"), orjson.loads(event["data"])
            event = {}
