"""The relay: publishes a service's outbox in order, one relay at a time, and marks what was confirmed.

The advisory lock and the marks live in one transaction: a relay that dies or freezes loses both together.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from shared.database import Database
from shared.events.envelope import OutboxRow
from shared.events.transport import Transport
from shared.logging import get_logger

BATCH = 200
SEND_SECONDS = 10
# Seconds before a row that could not be sent is tried again, by its attempts so far.
RETRY_SECONDS = (0.2, 0.5, 1, 2, 5, 10, 30)

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('outbox:relay')) AS ours"
# A relay that freezes inside its transaction is cut off, so that another can take over.
_LIMIT = "SET LOCAL idle_in_transaction_session_timeout = '15s'"
_PENDING = """
    SELECT id, event_id, type, subject, sequence, envelope, attempts FROM outbox
     WHERE published_at IS NULL AND parked_at IS NULL AND next_attempt_at <= now() ORDER BY id LIMIT %s
"""
_SENT = "UPDATE outbox SET published_at = now(), last_error = NULL WHERE id = ANY(%s)"
_FAILED = """
    UPDATE outbox SET attempts = attempts + 1, last_error = %s, next_attempt_at = now() + %s * interval '1 second'
     WHERE id = ANY(%s)
"""

log = get_logger(__name__)


class Relay:
    def __init__(self, database: Database, service: str, transport: Transport) -> None:
        self._database, self._service, self._transport = database, service, transport

    async def run_once(self) -> int:
        """Send one batch. Returns how many rows were sent; 0 also when another relay is at it."""
        async with self._database.pool.connection() as connection, connection.transaction():
            lock = await (await connection.execute(_LOCK)).fetchone()
            if not (lock and lock["ours"]):
                return 0
            await connection.execute(_LIMIT)
            rows = await (await connection.execute(_PENDING, (BATCH,))).fetchall()
            if not rows:
                return 0
            return await self._send(connection, [OutboxRow(**row) for row in rows])

    async def _send(self, connection: AsyncConnection[dict[str, Any]], rows: Sequence[OutboxRow]) -> int:
        try:
            errors = await asyncio.wait_for(self._transport.send(self._service, rows), SEND_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever a transport raises, the rows stay and are tried again
            errors = dict.fromkeys((row.id for row in rows), f"{type(error).__name__}: {error}")
        sent, failed = _split(rows, errors)
        if sent:
            await connection.execute(_SENT, (sent,))
        if failed:
            reason = next(error for error in errors.values() if error)
            attempts = min(row.attempts for row in rows if row.id in failed)
            delay = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS) - 1)]
            await connection.execute(_FAILED, (reason[:500], delay, failed))
            log.warning("events_not_sent", service=self._service, rows=len(failed), reason=reason[:200])
        return len(sent)


def _split(rows: Sequence[OutboxRow], errors: dict[int, str | None]) -> tuple[list[int], list[int]]:
    """Which rows to mark as sent and which to send again.

    Behind a row that failed, its subject's later rows are sent again even if they were confirmed: the inbox drops the
    repeats, and the order holds.
    """
    sent: list[int] = []
    failed: list[int] = []
    stuck: set[str] = set()
    for row in rows:
        if errors.get(row.id) is not None or row.subject in stuck:
            stuck.add(row.subject)
            failed.append(row.id)
        else:
            sent.append(row.id)
    return sent, failed
