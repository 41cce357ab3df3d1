"""Hints between processes: work came, something changed or was called off. They may be lost; everybody polls."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import psycopg

from services.jobs.background import running
from shared.database import Database
from shared.logging import get_logger

if TYPE_CHECKING:
    from shared.events.amqp import Hints

CHANNEL, BROADCAST = "jobs_wake", "jobs.wake"
Hint = Literal["work", "change", "cancel"]

log = get_logger(__name__)


class Signal:
    """Wakes everybody who waits. Whoever read `count` before looking misses no ring in between."""

    def __init__(self) -> None:
        self.count = 0
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self.count += 1
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self, seen: int, timeout: float) -> bool:  # noqa: ASYNC109 - the wait is bounded by design
        """Wait for a ring after `seen`, at most `timeout` seconds. Returns whether there was one."""
        if self.count == seen:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), timeout)
        return self.count != seen


def _broker_at(url: str) -> "Hints":
    from shared.events.amqp import Hints  # noqa: PLC0415 - without a broker nobody pays for its driver

    return Hints(url, BROADCAST)


class Wakeups:
    """Rings at once in this process, and in the others of this service by a coalesced NOTIFY and over RabbitMQ.

    The NOTIFY is sent after the commit and outside of it: inside a transaction it would serialise all commits. Where a
    connection pooler keeps LISTEN from working, the broker still carries the hint.
    """

    def __init__(self, database: Database, amqp_url: str = "") -> None:
        self._database = database
        self._broker = _broker_at(amqp_url) if amqp_url else None
        self.signals: dict[str, Signal] = {"work": Signal(), "change": Signal(), "cancel": Signal()}
        self._pending: set[str] = set()
        self._filled = asyncio.Event()

    @property
    def work(self) -> Signal:
        return self.signals["work"]

    @property
    def change(self) -> Signal:
        return self.signals["change"]

    @property
    def cancel(self) -> Signal:
        return self.signals["cancel"]

    def ring(self, *hints: Hint) -> None:
        for hint in hints:
            self.signals[hint].ring()
        self._pending.update(hints)
        self._filled.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        others = [self._broker.listen(self._ring_here)] if self._broker else []
        async with running(self._send(), self._hear(), *others):
            yield

    def _ring_here(self, hints: str) -> None:
        for hint in hints.split(","):
            if hint in self.signals:
                self.signals[hint].ring()

    async def _send(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            hints, self._pending = ",".join(sorted(self._pending)), set()
            if self._broker:
                await self._broker.tell(hints)
            try:
                async with self._database.pool.connection() as connection:
                    await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, hints))
            except Exception as error:  # noqa: BLE001 - a lost hint costs one poll
                log.warning("wakeup_not_sent", error=type(error).__name__)

    async def _hear(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._database.url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    async for notice in connection.notifies():
                        self._ring_here(notice.payload)
            except psycopg.Error as error:
                log.warning("wakeups_not_heard", error=type(error).__name__)
                await asyncio.sleep(1)
