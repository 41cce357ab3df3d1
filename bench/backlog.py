"""The fair queue under a long backlog, its fairness, and how soon an idle system begins."""

import asyncio
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import uvloop

from bench.board import Figure
from bench.jobs import PLAIN, one_of_ours, one_plain, rate, statement
from bench.settings import Settings
from shared.ids import new_id
from tests.support.jobs import PLACE, claimed, grant_plan, jobs_service, jobs_with_runner, order, settle, until
from tests.support.postgres import throwaway_server
from tests.support.services import RunningService

TENANTS = 1001
WORKERS = (1, 4, 16)
LIGHT_USERS, ROUNDS = 50, 8
START_P50_MS, START_P99_MS = 15.0, 60.0

# Rows as jobs_create_v1 leaves them, without the time that a hundred thousand calls would take.
FILL = """
    CREATE TEMP TABLE tenants AS SELECT gen_random_uuid() AS user_id, n FROM generate_series(0, %(tenants)s - 1) AS n;
    INSERT INTO tenant_lanes (user_id, lane, weight, max_running, ready)
      SELECT user_id, 'interactive', 1, 1000, 0 FROM tenants;
    INSERT INTO jobs (id, user_id, family, tool, lane, provider, engine_version, seed, units_held, period_start,
                      period_end, retention_days, created_at, updated_at)
      SELECT gen_random_uuid(), t.user_id, 'ai', 'memes', 'interactive', 'local', '1', 1, '{"ai_generations": 1}',
             %(now)s, %(now)s::timestamptz + interval '1 month', 7, %(now)s, %(now)s
        FROM generate_series(0, %(jobs)s - 1) AS j (place) JOIN tenants t ON t.n = j.place %% %(tenants)s;
    INSERT INTO job_queue (job_id, user_id, lane, tool, run_at, state, est_cost)
      SELECT id, user_id, lane, tool, created_at, 0, 1 FROM jobs;
    UPDATE tenant_lanes t SET ready = q.n
      FROM (SELECT user_id, count(*) AS n FROM job_queue GROUP BY user_id) q WHERE q.user_id = t.user_id;
    INSERT INTO usage_counters (user_id, metric, period_start, period_end, reserved, lim)
      SELECT user_id, 'ai_generations', %(now)s, %(now)s::timestamptz + interval '1 month', ready, 1000000
        FROM tenant_lanes;
    INSERT INTO plain_jobs (options) SELECT '{}' FROM generate_series(1, %(jobs)s);
    ANALYZE
"""


def measure(settings: Settings) -> list[Figure]:
    with throwaway_server(durable=True):
        return [*uvloop.run(_backlog(settings)), *uvloop.run(_fairness()), *uvloop.run(_start(settings))]


async def _backlog(settings: Settings) -> list[Figure]:
    """Claim and settle while very many wait, for several numbers of workers."""
    figures = []
    async with jobs_service(pool_size=max(WORKERS)) as service:
        await statement(service, PLAIN)
        await _fill(service, settings.backlog)
        for workers in WORKERS:
            what = f"claim and settle, {settings.backlog:,} queued, {TENANTS:,} users, {workers} workers"
            figure = Figure("J1", what, "jobs/s", "FIFO SKIP LOCKED", 0.5)
            for _ in range(min(settings.runs, 3)):
                ours = await rate(settings.jobs, workers, lambda: one_of_ours(service))
                figure.add(ours, await rate(settings.jobs, workers, lambda: one_plain(service)))
            figures.append(figure)
    return figures


async def _fill(service: RunningService, jobs: int) -> None:
    values = {"tenants": TENANTS, "jobs": jobs, "now": service.clock.now()}
    async with service.runtime.database.pool.connection() as connection:
        for part in FILL.split(";"):
            await connection.execute(part.encode(), {name: values[name] for name in values if f"%({name})s" in part})


async def _fairness() -> list[Figure]:
    """Who is served while one user has ordered thousands before fifty others ordered a few."""
    async with jobs_service() as service:
        users = [new_id() for _ in range(1 + LIGHT_USERS)]
        for user, number in zip(users, [5000, *[ROUNDS * 2] * LIGHT_USERS], strict=True):
            await grant_plan(service, user, max_running=1000)
            values = {"user": str(user), "tool": "memes", "now": service.clock.now(), "cost": 1.0, "number": number}
            await service.rows(PLACE, **values)
        served: Counter[UUID] = Counter()
        for _ in range(len(users) * ROUNDS):
            held = await claimed(service)
            served[held.user_id] += 1
            await settle(service, held)
    share = Figure("J3", f"Jain index, one whale and {LIGHT_USERS} light users", "", "an equal share", 0.98)
    share.add(jain(served[user] for user in users), 1.0)
    return [share]


def jain(shares: Iterable[float]) -> float:
    """1 when all have the same, 1/n when one has everything."""
    values = list(shares)
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 0.0


async def _start(settings: Settings) -> list[Figure]:
    """From the acceptance of a job to its claim, one at a time on an idle system."""
    median = Figure("J5", "accepted to started, idle, p50", "ms", "the limit", 1, less_is_better=True)
    tail = Figure("J5", "accepted to started, idle, p99", "ms", "the limit", 1, less_is_better=True)
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        async with jobs_with_runner(Path(folder), poll_seconds=5) as service:
            times = sorted(await _starts(service, max(10, settings.samples)))
    median.add(statistics.median(times), START_P50_MS)
    tail.add(times[min(len(times) - 1, round(len(times) * 0.99))], START_P99_MS)
    return [median, tail]


async def _starts(service: RunningService, samples: int) -> list[float]:
    """Milliseconds by the clock of the one machine that this is."""
    user = new_id()
    await grant_plan(service, user, max_running=5)
    async with service.client(user) as client:
        for number in range(samples + 1):
            accepted = await order(client, "sleep", options={"seconds": 0})
            await until(client, accepted.json()["id"])
            # A runner that has just finished asks again anyway; an idle one has to be woken.
            await asyncio.sleep(0.02 if number else 1)
    query = """
        SELECT extract(epoch FROM started_at - created_at)::float8 * 1000 AS ms FROM jobs ORDER BY created_at OFFSET 1
    """
    return [row["ms"] for row in await service.rows(query)]
