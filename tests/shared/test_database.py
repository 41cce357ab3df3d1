"""Connections that the server has closed are replaced before anybody meets them."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text

from shared.clock import SystemClock
from shared.database import Database
from tests.support.postgres import server_url

SIZE = 3


@pytest.fixture
async def database():
    database = Database(server_url(), service="toy", clock=SystemClock(), size=SIZE)
    await database.open()
    yield database
    await database.close()


async def backends_of(database):
    """Use every connection of the three pools at once; returns the server processes behind them."""
    used = asyncio.Barrier(3 * SIZE)

    async def by_pool():
        async with database.pool.connection() as connection:
            await used.wait()
            return connection.info.backend_pid

    async def by(opened):
        async with opened() as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            await used.wait()
            return pid

    found = [by_pool() for _ in range(SIZE)]
    found += [by(opened) for opened in (database.read, database.write) for _ in range(SIZE)]
    return set(await asyncio.wait_for(asyncio.gather(*found), 10))


async def test_after_the_server_cut_every_connection_the_next_use_gets_new_ones(database):
    first = await backends_of(database)
    with psycopg.connect(server_url(), autocommit=True) as admin:
        for pid in first:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    second = await backends_of(database)
    assert len(second) == 3 * SIZE
    assert not first & second
