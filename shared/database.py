"""Engines, sessions and the one place (beside the bus) where a transaction commits."""

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from psycopg import AsyncConnection, OperationalError
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import MetaData, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from shared.clock import Clock

NAMING = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


def new_metadata() -> MetaData:
    """Each service owns one; its tables and the plumbing's hang on it."""
    return MetaData(naming_convention=NAMING)


@dataclass(frozen=True, slots=True)
class View:
    """A name published over one table, listed in `metadata.info["views"]` so that documents and tests know of it."""

    name: str
    table: str
    shows: str
    columns: tuple[str, ...]
    # Types of columns that the view makes anew.
    types: dict[str, str] = field(default_factory=dict)


class ReadSession(AsyncSession):
    """Reads only: its connections are read-only in Postgres itself, each statement its own snapshot."""


class WriteSession(ReadSession):
    """One transaction. It commits when the block that opened it ends well; nobody else commits."""

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once this transaction is safely committed; never when it is not."""
        self.info.setdefault("after_commit", []).append(callback)


class Database:
    """A service's own database: a read engine, a write engine and a psycopg pool for the hot paths.

    `url` is `postgresql://…`; `size` bounds each of the three pools. `service` and `clock` sign what sessions publish.
    A fair gate stands before the engines, since SQLAlchemy's pool lets newcomers overtake waiters.
    """

    def __init__(self, url: str, *, service: str, clock: Clock, size: int = 5) -> None:
        self.url, self.service, self.clock = url, service, clock
        self._write_engine = _engine(url, size)
        self._read_engine = _engine(
            url, size, isolation_level="AUTOCOMMIT", connect_args={"options": "-c default_transaction_read_only=on"}
        )
        self.pool: AsyncConnectionPool[AsyncConnection[dict[str, Any]]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=size,
            open=False,
            kwargs={"autocommit": True, "row_factory": dict_row},
            configure=_read_json_fast,
            check=check_open,
        )
        self._read_gate, self._write_gate = asyncio.Semaphore(size), asyncio.Semaphore(size)
        self._after_commit: list[Callable[[], None]] = []

    async def open(self) -> None:
        await self.pool.open()

    async def close(self) -> None:
        await self.pool.close()
        await self._write_engine.dispose()
        await self._read_engine.dispose()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each commit that published an event (the relay's wake-up)."""
        self._after_commit.append(callback)

    def committed_events(self) -> None:
        """Tell the listeners that outbox rows were committed; hot paths that bypass the session call it."""
        for callback in self._after_commit:
            callback()

    def _info(self) -> dict[str, Any]:
        return {"service": self.service, "clock": self.clock}

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        async with self._read_gate, ReadSession(self._read_engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        async with (
            self._write_gate,
            WriteSession(self._write_engine, expire_on_commit=False, info=self._info()) as session,
            session.begin(),
        ):
            yield session
        if session.info.pop("published", False):
            self.committed_events()
        for callback in session.info.pop("after_commit", ()):
            callback()


async def _read_json_fast(connection: AsyncConnection[Any]) -> None:
    set_json_loads(orjson.loads, connection)


def _engine(url: str, size: int, **options: Any) -> AsyncEngine:
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1),
        pool_size=size,
        max_overflow=0,
        pool_timeout=10,
        # An error's text ends in logs; the values of its statement may be addresses and hashes.
        hide_parameters=True,
        **options,
    )
    event.listen(engine.sync_engine, "connect", _set_timeouts)
    event.listen(engine.sync_engine, "checkout", _replace_closed)
    return engine


async def check_open(connection: AsyncConnection[Any]) -> None:
    """A psycopg pool's check. Raises OperationalError when the server has closed the connection, after closing our
    end: the pool takes back what is still open, and would hand it out for ever."""
    if _is_closed(connection):
        await connection.close()
        raise OperationalError("the server has closed this connection")


def _replace_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    if _is_closed(connection.driver_connection):
        raise DisconnectionError


def _is_closed(connection: AsyncConnection[Any]) -> bool:
    """Nobody speaks on an idle connection but a server that says goodbye. Asking the socket spares each use of a
    connection a round trip to the server."""
    if connection.closed:
        return True
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def _set_timeouts(connection: Any, _record: Any) -> None:
    """A stuck statement or an abandoned transaction must not hold a lock for ever."""
    was_autocommit, connection.autocommit = connection.autocommit, True
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '30s'")
        cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
    connection.autocommit = was_autocommit


async def _read_session(request: Request) -> AsyncIterator[ReadSession]:
    async with request.app.state.runtime.database.read() as session:
        yield session


async def _write_session(request: Request) -> AsyncIterator[WriteSession]:
    async with request.app.state.runtime.database.write() as session:
        yield session


# The function scope makes the commit happen before the response leaves, so a failed commit is never a 200.
Read = Annotated[ReadSession, Depends(_read_session, scope="function")]
Write = Annotated[WriteSession, Depends(_write_session, scope="function")]
