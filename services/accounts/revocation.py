"""Makes a revocation known at once: in this process by its caller, in every other by NOTIFY."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
from sqlalchemy import text

from services.accounts.credentials import Credentials
from shared.database import WriteSession
from shared.logging import get_logger

if TYPE_CHECKING:
    from shared.runtime import Runtime

CHANNEL = "auth_revoked"
RECONNECT_SECONDS = 1

log = get_logger(__name__)


async def forget_credentials(session: WriteSession, user_id: UUID) -> None:
    """Whatever is remembered of the user's credentials is stale once this transaction commits.

    The notification is part of the transaction, so it can be neither early nor lost with the process; revocations are
    rare enough for the lock that Postgres takes for it.
    """
    session.info.setdefault("forgotten", set()).add(user_id)
    await session.execute(text("SELECT pg_notify(:channel, :user_id)"), {"channel": CHANNEL, "user_id": str(user_id)})


@asynccontextmanager
async def revoking(runtime: "Runtime") -> AsyncIterator[WriteSession]:
    """A write session after whose commit this process forgets what the block revoked."""
    async with runtime.database.write() as session:
        yield session
    for user_id in session.info.pop("forgotten", ()):
        runtime.parts.credentials.forget(user_id)


async def listen_for_revocations(url: str, credentials: Credentials) -> None:
    """Forget what other processes revoke, until cancelled. After a lost connection everything is forgotten."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute(f"LISTEN {CHANNEL}".encode())
                credentials.forget_all()
                async for notice in connection.notifies():
                    credentials.forget(UUID(notice.payload))
        except psycopg.Error as error:
            log.warning("listen_failed", service="accounts", error=type(error).__name__)
            credentials.forget_all()
            await asyncio.sleep(RECONNECT_SECONDS)
