"""Lanes and slots: claims what fits into free slots, and lets go of nothing that it has begun."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import orjson

from services.jobs.catalogue import LANES, Catalogue
from services.jobs.providers.remote import RemoteWork, open_remotes
from services.jobs.queue import Claim, Queue
from services.jobs.runner import orphans
from services.jobs.runner.attempt import Attempt, Bench
from services.jobs.runner.processes import Identity, identify
from services.jobs.runner.workshop import Workshop
from services.jobs.settings import JobsSettings
from services.jobs.wakeups import Wakeups
from shared import ending
from shared.database import Database
from shared.logging import get_logger
from shared.runtime import Runtime

SEEN_SECONDS = 10
LAST_CLAIM_SECONDS = 5

_REGISTER = """
    INSERT INTO workers (id, host, boot_id, pid, start_ticks, slots, tools)
    VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb)
"""
_SEEN = "UPDATE workers SET seen_at = now(), tools = %s WHERE id = %s RETURNING draining_at"
_NEIGHBOURS = "SELECT id, host, boot_id, pid, start_ticks FROM workers WHERE host = %s AND id <> %s"

log = get_logger(__name__)


class Runner:
    def __init__(self, runtime: Runtime, settings: JobsSettings, catalogue: Catalogue, wakeups: Wakeups) -> None:
        self.identity = identify(os.getpid())
        self.id = f"{self.identity.host}-{self.identity.pid}-{uuid4().hex[:8]}"
        self.workshop = Workshop(settings.extra_tools)
        self._settings, self._catalogue, self._wakeups = settings, catalogue, wakeups
        self._database: Database = runtime.database
        self._clock = runtime.clock
        self._queue = Queue(runtime.database)
        self._bench = Bench(
            self._queue,
            self.workshop,
            runtime.storage,
            wakeups,
            runtime.clock,
            settings,
            settings.work_folder / self.id,
            catalogue,
            RemoteWork(runtime.database, open_remotes(settings.providers, runtime.http), settings.engines),
            asyncio.Semaphore(max(1, settings.interactive_slots)),
        )
        self._attempts: dict[asyncio.Task[str], Attempt] = {}
        self._draining = asyncio.Event()

    @property
    def slots(self) -> dict[str, int]:
        return {lane: getattr(self._settings, f"{lane}_slots") for lane in LANES if lane in self._catalogue.lanes}

    @property
    def _tools(self) -> list[str]:
        return [tool for lane in self.slots for tool in self._catalogue.tools_of(lane)]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Claim and work until the block ends, then drain."""
        await self._take_over()
        await self._register()
        async with self.workshop.open():
            lanes = [asyncio.create_task(self._work_lane(lane, slots)) for lane, slots in self.slots.items()]
            chores = [
                asyncio.create_task(self._repeat(self._tidy, self._settings.reap_seconds, 0.5)),
                asyncio.create_task(self._repeat(self._be_seen, SEEN_SECONDS, 0.2)),
            ]
            try:
                yield
            finally:
                await self._drain(lanes)
                await ending.end([*chores, *lanes])
                await self._sign_off()

    async def _take_over(self) -> None:
        """Put right what dead runners of this machine left: processes first, so that their jobs can't run twice."""
        await asyncio.to_thread(orphans.sweep, self._settings.work_folder)
        await asyncio.to_thread(orphans.record_runner, self._bench.folder, self.identity)
        async with self._database.pool.connection() as connection:
            rows = await (await connection.execute(_NEIGHBOURS, (self.identity.host, self.id))).fetchall()
            for row in rows:
                worker_id = row.pop("id")
                if not Identity(**row).is_alive:
                    await self._queue.reap(self._clock.now(), worker_id=worker_id)
                    await connection.execute("DELETE FROM workers WHERE id = %s", (worker_id,))

    async def _register(self) -> None:
        who = self.identity
        values = (self.id, who.host, who.boot_id, who.pid, who.start_ticks, _json(self.slots), _json(self._tools))
        async with self._database.pool.connection() as connection:
            await connection.execute(_REGISTER, values)

    async def _work_lane(self, lane: str, slots: int) -> None:
        """Fill the lane's free slots, then wait for a hint, an end, or the next poll."""
        work, free = self._wakeups.work, asyncio.Semaphore(slots)
        while not self._draining.is_set():
            most = await _take_all(free)
            await self.workshop.wait_until_ready()
            seen = work.count
            claims = [] if self._draining.is_set() else await self._claim(lane, most)
            for claim in claims:
                self._begin(claim, free)
            for _ in range(most - len(claims)):
                free.release()
            if not claims:
                await work.wait(seen, self._settings.poll_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    async def _claim(self, lane: str, most: int) -> list[Claim]:
        tools, lease, now = self._catalogue.tools_of(lane), self._settings.lease_seconds, self._clock.now()
        try:
            claims = await self._queue.claim(lane, tools, self.id, lease=lease, now=now, most=most)
        except Exception as error:  # noqa: BLE001 - the database may be away; we ask again at the next poll
            log.warning("claim_failed", lane=lane, error=repr(error))
            return []
        if claims:
            self._database.committed_events()
            self._wakeups.ring("change")
        return claims

    def _begin(self, claim: Claim, free: asyncio.Semaphore) -> None:
        attempt = Attempt(self._bench, claim)
        task = asyncio.create_task(attempt.run(), name=f"job.{claim.job_id}")
        self._attempts[task] = attempt

        def end(ended: asyncio.Task[str]) -> None:
            del self._attempts[ended]
            free.release()
            if not ended.cancelled() and ended.exception():
                # Its lease runs out and another runner takes over; that is what leases are for.
                log.error("attempt_failed", job=str(claim.job_id), error=repr(ended.exception()))

        task.add_done_callback(end)

    async def _tidy(self) -> None:
        """Every runner looks for lost leases and due jobs, so that there is no single rescuer that could stall."""
        now = self._clock.now()
        changed = await self._queue.reap(now) + await self._queue.promote(now) + await self._queue.miss_deadlines(now)
        if changed:
            self._wakeups.ring("work", "change")

    async def _be_seen(self) -> None:
        async with self._database.pool.connection() as connection:
            row = await (await connection.execute(_SEEN, (_json(self._tools), self.id))).fetchone()
        if row and row["draining_at"]:
            self._draining.set()

    async def _repeat(self, step: Callable[[], Awaitable[None]], seconds: float, jitter: float) -> None:
        while True:
            await asyncio.sleep(seconds * random.uniform(1 - jitter, 1 + jitter))  # noqa: S311 - jitter
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - tried again next time
                log.warning("runner_step_failed", step=step.__name__, error=repr(error))

    async def _drain(self, lanes: list[asyncio.Task[None]]) -> None:
        """Stop claiming, let what runs finish, and hand back what does not, without counting it as a failure."""
        self._draining.set()
        self._wakeups.work.ring()
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=self._settings.drain_seconds)
        await self._hand_back()
        # A claim may have been on its way; cutting it off would strand its job until the lease runs out.
        if lanes:
            await asyncio.wait(lanes, timeout=LAST_CLAIM_SECONDS)
        await self._hand_back()

    async def _hand_back(self) -> None:
        for attempt in list(self._attempts.values()):
            await attempt.stop("RELEASE")
        await asyncio.gather(*self._attempts, return_exceptions=True)

    async def _sign_off(self) -> None:
        with contextlib.suppress(Exception):
            async with self._database.pool.connection() as connection:
                await connection.execute("DELETE FROM workers WHERE id = %s", (self.id,))
        await asyncio.to_thread(orphans.forget, self._bench.folder)


async def _take_all(free: asyncio.Semaphore) -> int:
    """Wait for a free slot and take it, with all the others that are free; returns how many."""
    taken = 0
    while not taken or not free.locked():
        await free.acquire()
        taken += 1
    return taken


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
