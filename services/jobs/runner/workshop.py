"""The asyncio side of the warm parent: orders in, reports out, and a new one when it dies."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from services.jobs.background import running
from services.jobs.engines.extras import FOLDER_VARIABLE
from shared.logging import get_logger

LINE_BYTES = 16 * 1024 * 1024
RESTART_SECONDS = 1
READY_SECONDS = 60
# Threads in the warm parent would make its forks unsafe; these libraries start them when they are loaded.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", FOLDER_VARIABLE)

Listener = Callable[[dict[str, Any]], None]

log = get_logger(__name__)


class WorkshopGone(Exception):
    """The warm parent is not running; nothing was started."""


class Workshop:
    """Starts work in forked children. Each order has a key, and a listener that hears all about it, `ended` last."""

    def __init__(self, extra_tools: str = "") -> None:
        self._extra_tools = extra_tools
        self._process: asyncio.subprocess.Process | None = None
        self._listeners: dict[str, Listener] = {}
        self._ready = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with running(self._supervise()):
            yield

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def wait_until_ready(self) -> None:
        await self._ready.wait()

    async def start(self, order: dict[str, Any], listener: Listener) -> None:
        """Fork a child for the order. Raises WorkshopGone."""
        self._listeners[order["key"]] = listener
        try:
            await self._send(order)
        except WorkshopGone:
            self._listeners.pop(order["key"], None)
            raise

    async def signal(self, key: str, signum: signal.Signals) -> None:
        """Send a signal to everything the order's child started; one that has ended is fine."""
        with contextlib.suppress(WorkshopGone):
            await self._send({"key": key, "signal": int(signum)})

    async def _send(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None or not self._ready.is_set():
            raise WorkshopGone
        try:
            process.stdin.write(orjson.dumps(message) + b"\n")
            await process.stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise WorkshopGone from error

    async def _supervise(self) -> None:
        while True:
            self._process = process = await _spawn(self._extra_tools)
            try:
                await self._listen(process)
            finally:
                self._ready.clear()
                await _end(process)
                self._tell_everybody()
            log.warning("workshop_died", code=process.returncode)
            await asyncio.sleep(RESTART_SECONDS)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            message = orjson.loads(line)
            if message["event"] == "ready":
                self._ready.set()
            elif listener := self._listeners.get(message["key"]):
                if message["event"] == "ended":
                    del self._listeners[message["key"]]
                listener(message)

    def _tell_everybody(self) -> None:
        """Children die with their parent: whoever waits for one must hear of it."""
        listeners, self._listeners = self._listeners, {}
        for key, listener in listeners.items():
            listener({"key": key, "event": "ended", "code": None})


async def _spawn(extra_tools: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "services.jobs.runner.zygote", *([extra_tools] if extra_tools else [])]
    # What the environment holds of secrets is none of the engines' business.
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment = {**kept, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        limit=LINE_BYTES,
        # Ctrl-C in the terminal is for the runner, which then drains; its warm parent must outlive the drain.
        start_new_session=True,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its input, by which it kills its children and ends; insist when it does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), 5)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
