"""Claim and settle on the fair queue, beside a plain first-in-first-out SKIP LOCKED queue in the same database."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from bench.board import Figure
from bench.settings import Settings
from shared.ids import new_id
from tests.support.jobs import PLACE, claim, grant_plan, jobs_service, settle
from tests.support.postgres import throwaway_server
from tests.support.services import RunningService

TENANTS, WORKERS = 50, 4
PLAIN = """
    CREATE TABLE plain_jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), seq bigint GENERATED ALWAYS AS IDENTITY,
                             status text NOT NULL DEFAULT 'PENDING', options jsonb NOT NULL, started_at timestamptz,
                             ended_at timestamptz);
    CREATE INDEX ON plain_jobs (seq) WHERE status = 'PENDING'
"""
PLAIN_CLAIM = """
    UPDATE plain_jobs SET status = 'PROCESSING', started_at = now() WHERE id =
        (SELECT id FROM plain_jobs WHERE status = 'PENDING' ORDER BY seq LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
"""
PLAIN_SETTLE = "UPDATE plain_jobs SET status = 'COMPLETED', ended_at = now() WHERE id = %s"
PLAIN_PLACE = "INSERT INTO plain_jobs (options) VALUES (%s)"


def measure(settings: Settings) -> list[Figure]:
    with throwaway_server(durable=True):
        return uvloop.run(_measure(settings))


async def _measure(settings: Settings) -> list[Figure]:
    plain = "FIFO SKIP LOCKED"
    work = Figure("J", f"claim and settle, {WORKERS} workers", "jobs/s", plain, 0.5)
    orders = Figure("J4", "durable orders, one by one, c1", "jobs/s", "plain INSERT, c1", 0.4)
    async with jobs_service() as service:
        await statement(service, PLAIN)
        tenants = [new_id() for _ in range(TENANTS)]
        for tenant in tenants:
            await grant_plan(service, tenant, max_running=WORKERS)
        for _ in range(settings.runs):
            orders.add(await _place(service, tenants, settings.jobs), await _place_plainly(service, settings.jobs))
            ours = await rate(settings.jobs, WORKERS, lambda: one_of_ours(service))
            theirs = await rate(settings.jobs, WORKERS, lambda: one_plain(service))
            work.add(ours, theirs)
    return [work, orders]


async def orders_a_second(count: int) -> float:
    """Durable orders a second, one by one on one connection."""
    async with jobs_service() as service:
        tenants = [new_id() for _ in range(TENANTS)]
        for tenant in tenants:
            await grant_plan(service, tenant, max_running=WORKERS)
        return await _place(service, tenants, count)


async def rate(count: int, workers: int, work: Callable[[], Awaitable[None]]) -> float:
    """Times a second that so many workers together do the work."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await work()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(workers)))
    return count / (time.perf_counter() - began)


async def one_of_ours(service: RunningService) -> None:
    held = await claim(service)
    if held is None:
        raise RuntimeError("the queue gave nothing although jobs wait")
    await settle(service, held)


async def one_plain(service: RunningService) -> None:
    async with service.runtime.database.pool.connection() as connection:
        row: Any = await (await connection.execute(PLAIN_CLAIM)).fetchone()
        await connection.execute(PLAIN_SETTLE, (row["id"],))


async def _place(service: RunningService, tenants: list[Any], count: int) -> float:
    async def order(connection: AsyncConnection[Any], number: int) -> None:
        user = str(tenants[number % TENANTS])
        values = {"user": user, "tool": "memes", "now": service.clock.now(), "cost": 1.0, "number": 1}
        await connection.execute(PLACE, values)

    return await _one_by_one(service, count, order)


async def _place_plainly(service: RunningService, count: int) -> float:
    async def order(connection: AsyncConnection[Any], _number: int) -> None:
        await connection.execute(PLAIN_PLACE, (Jsonb({}),))

    return await _one_by_one(service, count, order)


async def _one_by_one(
    service: RunningService, count: int, order: Callable[[AsyncConnection[Any], int], Awaitable[None]]
) -> float:
    async with service.runtime.database.pool.connection() as connection:
        began = time.perf_counter()
        for number in range(count):
            await order(connection, number)
        return count / (time.perf_counter() - began)


async def statement(service: RunningService, statements: str) -> None:
    async with service.runtime.database.pool.connection() as connection:
        await connection.execute(statements.encode())
