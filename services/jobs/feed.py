"""What changed, for those who watch: one pair of queries per process and round, however many streams are open.

A watcher is handed the newest state of each job, never a log; a slow one costs a row per job and nobody else anything.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.jobs import repository
from services.jobs.background import running
from services.jobs.models import Job
from services.jobs.wakeups import Wakeups
from shared.clock import Clock
from shared.database import Database
from shared.identity import Principal
from shared.logging import get_logger

POLL_SECONDS = 0.5
FASTEST_SECONDS = 0.1
# A job may be created and ended between two looks; looking back finds it.
LOOK_BACK = timedelta(seconds=15)

_LIVE = """
    SELECT id, version, status IN ('PENDING', 'PROCESSING') AS live FROM jobs
     WHERE user_id = ANY(%(users)s) AND (status IN ('PENDING', 'PROCESSING') OR created_at > %(since)s)
    UNION SELECT id, version, status IN ('PENDING', 'PROCESSING') FROM jobs WHERE id = ANY(%(known)s)
"""
_ENDS = """
    SELECT user_id, session_id, ended_at FROM stream_ends
     WHERE user_id = ANY(%s) AND ended_at > now() - interval '1 hour'
"""

log = get_logger(__name__)


class Watch:
    """One reader's view of its user's jobs."""

    def __init__(self, user_id: UUID, session_id: UUID | None, since: datetime) -> None:
        self.user_id, self._session_id, self._since = user_id, session_id, since
        self.revoked = False
        self._news: dict[UUID, Job] = {}
        self._filled = asyncio.Event()

    def tell(self, job: Job) -> None:
        self._news[job.id] = job
        self._filled.set()

    def end_if(self, end: dict[str, Any]) -> None:
        """Revoke when the order is about our session, or about all, and is newer than our token."""
        if end["user_id"] == self.user_id and end["session_id"] in {None, self._session_id}:
            self.revoked = self.revoked or end["ended_at"] > self._since
            self._filled.set()

    async def next(self, timeout: float) -> list[Job]:  # noqa: ASYNC109 - an empty list is a fine answer
        """What changed since the last call, oldest job first; empty after `timeout` seconds of quiet."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._filled.wait(), timeout)
        self._filled.clear()
        news, self._news = self._news, {}
        return sorted(news.values(), key=lambda job: job.id)


class Feed:
    def __init__(self, database: Database, wakeups: Wakeups, clock: Clock) -> None:
        self._database, self._wakeups, self._clock = database, wakeups, clock
        self._watches: set[Watch] = set()
        self._seen: dict[UUID, tuple[int, bool]] = {}
        self._watched = asyncio.Event()

    @contextmanager
    def watch(self, caller: Principal) -> Iterator[Watch]:
        """Watch the caller's jobs. Read their state after this, so that nothing falls in between."""
        watch = Watch(caller.user_id, caller.session_id, caller.token_issued_at)
        self._watches.add(watch)
        self._watched.set()
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with running(self._run()):
            yield

    async def _run(self) -> None:
        changes = self._wakeups.change
        while True:
            if not self._watches:
                self._seen.clear()
                self._watched.clear()
                await self._watched.wait()
            heard, started = changes.count, time.monotonic()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - the database may be away; streams live on and we look again
                log.warning("feed_failed", error=type(error).__name__)
            await changes.wait(heard, POLL_SECONDS)
            await asyncio.sleep(max(0.0, FASTEST_SECONDS - (time.monotonic() - started)))

    async def _look(self) -> None:
        users = list({watch.user_id for watch in self._watches})
        for job in await self._changed(users):
            for watch in self._watches:
                if watch.user_id == job.user_id:
                    watch.tell(job)
        for end in await self._query(_ENDS, (users,)):
            for watch in self._watches:
                watch.end_if(end)

    async def _changed(self, users: list[UUID]) -> Sequence[Job]:
        known = [job_id for job_id, (_, live) in self._seen.items() if live]
        since = self._clock.now() - LOOK_BACK
        rows = await self._query(_LIVE, {"users": users, "since": since, "known": known})
        changed = [row["id"] for row in rows if self._seen.get(row["id"], (None,))[0] != row["version"]]
        jobs: Sequence[Job] = []
        if changed:
            async with self._database.read() as session:
                jobs = await repository.list_jobs_by_id(session, changed)
        self._seen = {row["id"]: (row["version"], row["live"]) for row in rows}
        return jobs

    async def _query(self, query: str, values: Any) -> list[dict[str, Any]]:
        async with self._database.pool.connection() as connection:
            return await (await connection.execute(query.encode(), values)).fetchall()
