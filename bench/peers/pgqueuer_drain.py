"""How fast pgqueuer works off jobs that do nothing, in one process.

Run as a script with the peers' Python: `pgqueuer_drain.py DATABASE_URL COUNT BATCH` prints jobs a second, from the
start of the worker until the queue is empty. Ends are written in batches too, as it comes.
"""

import asyncio
import logging
import sys
import time

import asyncpg
from pgqueuer import AsyncpgPoolDriver, PgQueuer
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

POOL = 10


async def main(database: str, count: int, batch: int) -> None:
    async with asyncpg.create_pool(database, min_size=POOL, max_size=POOL) as pool:
        driver = AsyncpgPoolDriver(pool)
        queries = Queries(driver)
        await queries.uninstall() if await queries.has_table("pgqueuer") else None
        await queries.install()
        await queries.enqueue(["noop"] * count, [b"x" * 100] * count, [0] * count)
        worker, done = PgQueuer(driver), 0

        @worker.entrypoint("noop")
        async def noop(_job: Job) -> None:
            nonlocal done
            done += 1

        began = time.perf_counter()
        await worker.run(batch_size=batch, mode=QueueExecutionMode.drain)
        seconds = time.perf_counter() - began
        if done != count:
            raise RuntimeError(f"{done} of {count} were done")
        print(count / seconds)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
