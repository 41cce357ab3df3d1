"""The relay: publishes a service's outbox in order, one relay at a time, and marks what was confirmed.

The advisory lock and the marks live in one transaction: a relay that dies or freezes loses both together.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from shared.database import Database
from shared.events.envelope import OutboxRow
from shared.events.metrics import LEADER
from shared.events.transport import Transport, TransportDown
from shared.logging import get_logger

BATCH = 200
SEND_SECONDS = 10
# Seconds before a row that could not be sent is tried again, by its attempts so far.
RETRY_SECONDS = (0.2, 0.5, 1, 2, 5, 10, 30)
# Seconds without a try while nothing can be sent at all.
DOWN_SECONDS = (0.2, 0.5, 1, 2)

# A relay that freezes inside its transaction is cut off, so that another can take over.
_LOCK = """
    SELECT pg_try_advisory_xact_lock(hashtext('outbox:relay')) AS ours,
           set_config('idle_in_transaction_session_timeout', '15s', true)
"""
# A row waits while an earlier one of its subject waits for its next try, or it would overtake it.
_PENDING = """
    SELECT id, event_id, type, subject, sequence, envelope, attempts FROM outbox o
     WHERE published_at IS NULL AND parked_at IS NULL AND next_attempt_at <= now()
       AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.subject = o.subject AND b.id < o.id AND b.published_at IS NULL
                          AND b.parked_at IS NULL AND b.next_attempt_at > now())
     ORDER BY id LIMIT %s
"""
_COUNT = "UPDATE outbox SET attempts = attempts + 1 WHERE id = ANY(%s)"
_SENT = "UPDATE outbox SET published_at = now(), last_error = NULL WHERE id = ANY(%s)"
_FAILED = """
    UPDATE outbox SET attempts = attempts + %s, last_error = %s, next_attempt_at = now() + %s * interval '1 second'
     WHERE id = ANY(%s)
"""

log = get_logger(__name__)


class Relay:
    def __init__(self, database: Database, service: str, transport: Transport) -> None:
        self._database, self._service, self._transport = database, service, transport
        self._failures, self._down_until = 0, 0.0

    async def run_once(self) -> int:
        """Send one batch. Returns how many rows were sent; 0 also when another relay is at it."""
        if time.monotonic() < self._down_until:
            return 0
        async with self._database.pool.connection() as connection, connection.transaction():
            lock = await (await connection.execute(_LOCK)).fetchone()
            leads = bool(lock and lock["ours"])
            LEADER.labels(self._service).set(leads)
            if not leads:
                return 0
            rows = await (await connection.execute(_PENDING, (BATCH,))).fetchall()
            if not rows:
                return 0
            return await self._send(connection, [OutboxRow(**row) for row in rows])

    async def _send(self, connection: AsyncConnection[dict[str, Any]], rows: Sequence[OutboxRow]) -> int:
        try:
            errors = await self._hand_over(rows)
        except TransportDown as error:
            self._wait(error)
            return 0
        except Exception as error:  # noqa: BLE001 - whatever a transport raises, the rows stay and are tried again
            errors = dict.fromkeys((row.id for row in rows), f"{type(error).__name__}: {error}")
        self._failures = 0
        sent, failed = _split(rows, errors)
        if sent:
            await connection.execute(_SENT, (sent,))
        if failed:
            await self._postpone(connection, [row for row in rows if row.id in failed], errors)
        return len(sent)

    async def _hand_over(self, rows: Sequence[OutboxRow]) -> dict[int, str | None]:
        if not self._transport.tells_redelivery:
            # Committed before anything is delivered, so that an event which kills this process is known by it.
            async with self._database.pool.connection() as counting:
                await counting.execute(_COUNT, ([row.id for row in rows],))
        return await asyncio.wait_for(self._transport.send(self._service, rows), SEND_SECONDS)

    async def _postpone(
        self, connection: AsyncConnection[dict[str, Any]], rows: Sequence[OutboxRow], errors: dict[int, str | None]
    ) -> None:
        reason = next(error for error in errors.values() if error)
        delay = RETRY_SECONDS[min(*(row.attempts for row in rows), len(RETRY_SECONDS) - 1)]
        count = 1 if self._transport.tells_redelivery else 0
        await connection.execute(_FAILED, (count, reason[:500], delay, [row.id for row in rows]))
        log.warning("events_not_sent", service=self._service, rows=len(rows), reason=reason[:200])

    def _wait(self, error: TransportDown) -> None:
        """The rows stay as they are, in order and due; only this relay takes a breath."""
        pause = DOWN_SECONDS[min(self._failures, len(DOWN_SECONDS) - 1)]
        self._failures += 1
        self._down_until = time.monotonic() + pause
        log.warning("transport_down", service=self._service, failures=self._failures, reason=str(error)[:200])


def _split(rows: Sequence[OutboxRow], errors: dict[int, str | None]) -> tuple[list[int], set[int]]:
    """Which rows to mark as sent and which to send again.

    Behind a row that failed, its subject's later rows are sent again even if they were confirmed: the inbox drops the
    repeats, and the order holds.
    """
    sent: list[int] = []
    failed: set[int] = set()
    stuck: set[str] = set()
    for row in rows:
        if errors.get(row.id) is not None or row.subject in stuck:
            stuck.add(row.subject)
            failed.add(row.id)
        else:
            sent.append(row.id)
    return sent, failed
