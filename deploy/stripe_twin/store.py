"""The twin's own database: what it knows survives kill -9, because nothing is kept anywhere else.

One write transaction per call under one lock: a small account needs correctness, not concurrency.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from shared.database import check_open

Connection = AsyncConnection[dict[str, Any]]
WRITE_LOCK = 7_305_721
TABLES = ("objects", "deliveries", "idempotency", "faults", "schedule", "knobs")
# Bodies are json, not jsonb: the order of an object's fields is worth reading in a log.
SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    kind text NOT NULL, id text NOT NULL, seq bigserial NOT NULL, customer text, created bigint NOT NULL,
    body json NOT NULL, PRIMARY KEY (kind, id));
CREATE INDEX IF NOT EXISTS objects_kind_seq_idx ON objects (kind, seq DESC);
CREATE INDEX IF NOT EXISTS objects_customer_idx ON objects (customer, kind, seq DESC);
CREATE INDEX IF NOT EXISTS objects_id_idx ON objects (id);
CREATE TABLE IF NOT EXISTS deliveries (
    id bigserial PRIMARY KEY, event text NOT NULL, endpoint text NOT NULL, state text NOT NULL DEFAULT 'pending',
    due timestamptz NOT NULL DEFAULT now(), attempts int NOT NULL DEFAULT 0, answer text);
CREATE INDEX IF NOT EXISTS deliveries_due_idx ON deliveries (due, id) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_event_idx ON deliveries (event);
CREATE TABLE IF NOT EXISTS idempotency (
    key text PRIMARY KEY, fingerprint text NOT NULL, created bigint NOT NULL, status int NOT NULL, body json NOT NULL);
CREATE TABLE IF NOT EXISTS faults (
    id bigserial PRIMARY KEY, method text NOT NULL, path text NOT NULL, kind text NOT NULL, times int NOT NULL);
CREATE TABLE IF NOT EXISTS schedule (
    action text NOT NULL, subject text NOT NULL, due bigint NOT NULL, seq bigserial NOT NULL,
    PRIMARY KEY (action, subject));
CREATE INDEX IF NOT EXISTS schedule_due_idx ON schedule (due, seq);
CREATE TABLE IF NOT EXISTS knobs (name text PRIMARY KEY, value json NOT NULL);
"""


class Store:
    def __init__(self, database_url: str) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            database_url,
            min_size=1,
            max_size=6,
            open=False,
            kwargs={"autocommit": True, "row_factory": dict_row},
            check=check_open,
        )

    async def open(self) -> None:
        await self._pool.open(wait=True)
        async with self.write() as connection:
            await connection.execute(SCHEMA)

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """One snapshot, so that a page and what it expands belong together."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """Alone with the data until the block ends; it commits when the block ends well."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [WRITE_LOCK])
            yield connection

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """Single statements that commit by themselves."""
        async with self._pool.connection() as connection:
            yield connection

    async def clear(self) -> None:
        """Delete, not truncate: a truncation's table locks can meet the delivery worker's in a deadlock."""
        async with self.write() as connection:
            for table in TABLES:
                await connection.execute(f"DELETE FROM {table}")  # noqa: S608 -- constants
