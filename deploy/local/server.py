"""`./atelier up`: Postgres, the platform, one port."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from rich.console import Console
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy import collector
from deploy.embedded.postgres import start_postgres
from deploy.engines.behind import installing_behind
from deploy.home import Home
from deploy.local.platform import Progress, open_platform, prepare
from shared.logging import configure_logging

STOP_TIMEOUT_SECONDS = 20


@contextmanager
def postgres_of(home: Home) -> Iterator[str]:
    """The URL of the server to use: DATABASE_URL, or the folder's own, which stops with the block that started it."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    server = start_postgres(home.folder / "postgres")
    try:
        yield server.url()
    finally:
        if not server.attached:
            server.stop()


def serve(home: Home, console: Console) -> None:
    """Run the platform until Ctrl-C or SIGTERM, with a line of progress for each step."""
    configure_logging(level=os.environ.get("ATELIER_LOG_LEVEL", "WARNING"), pretty=console.is_terminal)
    started = time.monotonic()

    def progress(step: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:5.1f} s[/dim]  {step}")

    progress("Starting Postgres")
    with postgres_of(home) as server_url:
        prepare(home, server_url, progress)
        server = _Server(_configuration(home, _Platform(home, progress)), home, console, started)
        # The server raises the signal that ended it once more; as Ctrl-C, that ends this block and not the process.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with installing_behind(), contextlib.suppress(KeyboardInterrupt):
            server.run()
    if not server.started:
        raise SystemExit(1)
    console.print("Stopped. Everything is kept.")


class _Server(uvicorn.Server):
    """A server that says where it listens, as its last line of progress."""

    def __init__(self, config: uvicorn.Config, home: Home, console: Console, started: float) -> None:
        super().__init__(config)
        self._home, self._console, self._since = home, console, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            seconds = time.monotonic() - self._since
            self._console.print(
                f"[bold green]Atelier is up[/bold green] in {seconds:.1f} s: [bold]{self._home.public_url}[/bold]"
            )
            self._console.print("[dim]Ctrl-C stops it. Try ./atelier demo in another terminal.[/dim]")


class _Platform:
    """The platform as the server's app: opened by its lifespan, so that a failed start is the server's failure."""

    def __init__(self, home: Home, progress: Progress) -> None:
        self._home, self._progress = home, progress
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with open_platform(self._home, self._progress) as self._app:
            collector.resume()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _configuration(home: Home, app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host="127.0.0.1",
        port=home.port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        # Nobody but a proxy that was named may say where a request comes from.
        forwarded_allow_ips=os.environ.get("FORWARDED_ALLOW_IPS", ""),
        timeout_graceful_shutdown=STOP_TIMEOUT_SECONDS,
    )
