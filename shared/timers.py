"""Periodic work: each timer runs in one replica at a time, and a failed run is logged and tried again next time."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.ending import end
from shared.logging import get_logger
from shared.runtime import Runtime

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Every:
    """Run `task(runtime)` about every `seconds` (wall time). With `everywhere` each replica runs it, else one does."""

    seconds: float
    task: Callable[[Runtime], Awaitable[object]]
    everywhere: bool = False

    @property
    def name(self) -> str:
        return self.task.__name__


@asynccontextmanager
async def run_timers(timers: Sequence[Every], runtime: Runtime) -> AsyncIterator[None]:
    running = [asyncio.create_task(_repeat(timer, runtime), name=f"{runtime.service}.{timer.name}") for timer in timers]
    try:
        yield
    finally:
        await end(running)


async def _repeat(timer: Every, runtime: Runtime) -> None:
    while True:
        # Jitter keeps replicas from asking for the lock at the same instant for ever.
        await asyncio.sleep(timer.seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
        try:
            await run_once(timer, runtime)
        except Exception:
            log.exception("timer_failed", timer=timer.name, service=runtime.service)


async def run_once(timer: Every, runtime: Runtime) -> bool:
    """Run the timer's task now, unless another replica is at it. Returns whether it ran."""
    if timer.everywhere:
        await timer.task(runtime)
        return True
    key = f"timer:{timer.name}"
    async with runtime.database.pool.connection() as connection:
        row = await (await connection.execute("SELECT pg_try_advisory_lock(hashtext(%s)) AS ours", (key,))).fetchone()
        if not (row and row["ours"]):
            return False
        try:
            await timer.task(runtime)
        finally:
            await connection.execute("SELECT pg_advisory_unlock(hashtext(%s))", (key,))
    return True
