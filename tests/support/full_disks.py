"""A full disk under a table of Postgres and under a RabbitMQ, reached without root and without filling any disk."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from deploy.embedded.rabbitmq import RabbitServer
from shared.database import Database
from tests.support.postgres import server_url

# The kernel's device that takes no byte: every write to it ends with ENOSPC, as on a disk without space.
FULL = Path("/dev/full")
CUT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"


@asynccontextmanager
async def no_room_for(database: Database, table: str) -> AsyncIterator[None]:
    """Within the block Postgres finds no space to store the first row of a table, which must be empty."""
    file = await _file_of(database, table)
    assert file.stat().st_size == 0, f"{table} has rows: its pages could be written to without new space"
    aside = file.with_name(f"{file.name}_aside")
    file.rename(aside)
    file.symlink_to(FULL)
    _reopen_files(database)
    try:
        yield
    finally:
        aside.replace(file)
        _reopen_files(database)


async def _file_of(database: Database, table: str) -> Path:
    query = "SELECT current_setting('data_directory') AS folder, pg_relation_filepath(%s::regclass) AS path"
    async with database.pool.connection() as connection:
        row = await (await connection.execute(query, (table,))).fetchone()
    assert row
    return Path(row["folder"], row["path"])


def _reopen_files(database: Database) -> None:
    """A server process keeps a file open that it used before; its successor opens it by name."""
    with psycopg.connect(server_url(), autocommit=True) as admin:
        admin.execute(CUT, (urlsplit(database.url).path[1:],))


@contextmanager
def no_room_in(broker: RabbitServer) -> Iterator[None]:
    """Within the block the broker believes its disk full, raises its alarm and takes nothing from publishers."""
    [before] = broker.ctl("eval", "rabbit_disk_monitor:get_disk_free_limit().").split()
    broker.ctl("set_disk_free_limit", "100000GB")
    try:
        yield
    finally:
        broker.ctl("set_disk_free_limit", before)
