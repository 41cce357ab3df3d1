"""New notifications for those who watch: one pair of queries per process and second, however many streams are open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.clock import Clock
from shared.database import Database
from shared.identity import Principal
from shared.logging import get_logger

POLL_SECONDS = 1.0
# A notice is committed a while after the moment it bears; looking back finds it.
LOOK_BACK = timedelta(seconds=30)

_NEW = "SELECT id, user_id, created_at FROM notifications WHERE user_id = ANY(%s) AND created_at > %s"
_ENDS = """
    SELECT user_id, session_id, ended_at FROM stream_ends
     WHERE user_id = ANY(%s) AND ended_at > now() - interval '1 hour'
"""

log = get_logger(__name__)


class Watch:
    """One reader's view of their notifications: each is handed out once, and some from just before it was opened."""

    def __init__(self, caller: Principal, opened_at: datetime) -> None:
        self.user_id, self._session_id, self._since = caller.user_id, caller.session_id, caller.token_issued_at
        self._opened_at = opened_at - LOOK_BACK
        self.revoked = False
        self._told: dict[UUID, datetime] = {}
        self._news: list[UUID] = []
        self._filled = asyncio.Event()

    def offer(self, notice: dict[str, Any]) -> None:
        if notice["id"] not in self._told and notice["created_at"] > self._opened_at:
            self._told[notice["id"]] = notice["created_at"]
            self._news.append(notice["id"])
            self._filled.set()

    def forget_before(self, moment: datetime) -> None:
        """What is too old to be looked at again needs no remembering."""
        self._told = {notice_id: at for notice_id, at in self._told.items() if at > moment}

    def end_if(self, end: dict[str, Any]) -> None:
        """Revoke when the order is about our session, or about all, and is newer than our token."""
        if end["session_id"] in {None, self._session_id} and end["ended_at"] > self._since:
            self.revoked = True
            self._filled.set()

    async def next(self, timeout: float) -> list[UUID]:  # noqa: ASYNC109 - an empty list is a fine answer
        """Ids of what is new since the last call; empty after `timeout` seconds of quiet."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._filled.wait(), timeout)
        self._filled.clear()
        news, self._news = self._news, []
        return news


class Watching:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._watches: set[Watch] = set()
        self._watched = asyncio.Event()

    @contextmanager
    def watch(self, caller: Principal) -> Iterator[Watch]:
        """Watch the caller's notifications. Count them after this, so that nothing falls in between."""
        watch = Watch(caller, self._clock.now())
        self._watches.add(watch)
        self._watched.set()
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run(), name="notifications-watch")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            if not self._watches:
                self._watched.clear()
                await self._watched.wait()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - the database may be away; streams live on and we look again
                log.warning("watch_failed", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        users, since = list({watch.user_id for watch in self._watches}), self._clock.now() - 2 * LOOK_BACK
        async with self._database.pool.connection() as connection:
            notices = await (await connection.execute(_NEW, (users, since))).fetchall()
            ends = await (await connection.execute(_ENDS, (users,))).fetchall()
        for watch in self._watches:
            watch.forget_before(since)
            for notice in notices:
                if notice["user_id"] == watch.user_id:
                    watch.offer(notice)
            for end in ends:
                if end["user_id"] == watch.user_id:
                    watch.end_if(end)
