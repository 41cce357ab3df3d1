"""Hints that an answer grew or ended. They may be lost; every reader looks again after a second."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

import psycopg

from shared.database import Database
from shared.logging import get_logger

CHANNEL = "chat_delta"
MOST_PER_NOTICE = 100

log = get_logger(__name__)


class Announcements:
    """Wakes the readers of an answer: in this process at once, in the others by a coalesced NOTIFY.

    The NOTIFY is sent after the commit and outside of it: inside a transaction it would serialise all commits.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._pending: set[UUID] = set()
        self._filled = asyncio.Event()

    def tell(self, message_id: UUID) -> None:
        self._wake(message_id)
        self._pending.add(message_id)
        self._filled.set()

    @contextmanager
    def reading(self, message_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever the answer changed; the reader clears it before it looks."""
        changed = asyncio.Event()
        self._waiting[message_id].add(changed)
        try:
            yield changed
        finally:
            self._waiting[message_id].discard(changed)
            if not self._waiting[message_id]:
                del self._waiting[message_id]

    def _wake(self, message_id: UUID) -> None:
        for changed in self._waiting.get(message_id, ()):
            changed.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._hear())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            await self._filled.wait()
            told = [self._pending.pop() for _ in range(min(len(self._pending), MOST_PER_NOTICE))]
            if not self._pending:
                self._filled.clear()
            try:
                async with self._database.pool.connection() as connection:
                    await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, ",".join(map(str, told))))
            except Exception as error:  # noqa: BLE001 - a lost hint costs one poll
                log.warning("hint_not_sent", error=type(error).__name__)

    async def _hear(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._database.url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    async for notice in connection.notifies():
                        for told in notice.payload.split(","):
                            with contextlib.suppress(ValueError):
                                self._wake(UUID(told))
            except psycopg.Error as error:
                log.warning("hints_not_heard", error=type(error).__name__)
                await asyncio.sleep(1)
