"""The durable inbox: a message is stored once per consumer before anybody looks at what it means.

Claims, leases, attempts and their outcomes are rows here, so retry, back-off, parking and redrive need no broker.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from psycopg.types.json import Jsonb

from shared.database import Database
from shared.events.event import Subscription

PENDING, DONE, PARKED, SKIPPED = 0, 1, 2, 3
CLAIM_ROWS = 20
LEASE_SECONDS = 60
# Seconds before the second, third, … attempt; after the last one the event is parked.
RETRY_SECONDS = (1, 5, 30, 120, 600, 1800, 3600, 10800)

_STORE = """
    INSERT INTO inbox (consumer, event_id, type, subject, sequence, envelope, status, last_error)
    SELECT consumer, event_id, type, subject, sequence, envelope, status, last_error
      FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::jsonb[], %s::smallint[], %s::text[])
           AS arrived(consumer, event_id, type, subject, sequence, envelope, status, last_error)
    ON CONFLICT (consumer, event_id) DO NOTHING
"""
_DUE = """
    SELECT DISTINCT consumer FROM inbox
     WHERE status = 0 AND next_attempt_at <= now() AND (lease_until IS NULL OR lease_until < now())
"""
_CLAIM = """
    UPDATE inbox SET claim = %(claim)s, lease_until = now() + %(lease)s * interval '1 second', attempts = attempts + 1
     WHERE (consumer, event_id) IN (
        SELECT i.consumer, i.event_id FROM inbox i
         WHERE i.consumer = %(consumer)s AND i.status = 0 AND i.next_attempt_at <= now()
           AND (i.lease_until IS NULL OR i.lease_until < now()) {order}
         ORDER BY i.seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING seq, event_id, type, subject, sequence, envelope, attempts, redrive_count
"""
# An ordered consumer leaves alone whatever stands behind a row of the same subject that is in trouble or in hand.
_BEHIND = """
           AND NOT EXISTS (SELECT 1 FROM inbox b WHERE b.consumer = i.consumer AND b.subject = i.subject
                             AND b.seq < i.seq AND ({blocking}))
"""
_BLOCKING = {
    "block": "b.status = 2 OR (b.status = 0 AND b.attempts > 0)",
    "continue": "b.status = 0 AND b.attempts > 0",
}
_RELEASE = """
    UPDATE inbox SET claim = NULL, lease_until = NULL, attempts = attempts - 1
     WHERE consumer = %s AND event_id = ANY(%s) AND claim = %s AND status = 0
"""
_RETRY = """
    UPDATE inbox SET claim = NULL, lease_until = NULL, last_error = %(error)s, error_class = %(class)s,
           next_attempt_at = now() + %(delay)s * (0.8 + random() * 0.4) * interval '1 second'
     WHERE consumer = %(consumer)s AND event_id = %(event_id)s AND claim = %(claim)s AND status = 0
"""
_DEFER = """
    UPDATE inbox SET claim = NULL, lease_until = NULL, attempts = attempts - 1, next_attempt_at = %(until)s,
           last_error = %(error)s, error_class = 'Defer'
     WHERE consumer = %(consumer)s AND event_id = %(event_id)s AND claim = %(claim)s AND status = 0
"""
_END = """
    UPDATE inbox SET claim = NULL, lease_until = NULL, status = %(status)s, done_at = now(),
           last_error = %(error)s, error_class = %(class)s
     WHERE consumer = %(consumer)s AND event_id = %(event_id)s AND claim = %(claim)s AND status = 0
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row this worker holds a lease on."""

    consumer: str
    claim: UUID
    event_id: UUID
    type: str
    subject: str
    sequence: int
    envelope: dict[str, Any]
    attempts: int
    redriven: bool

    def key(self) -> dict[str, Any]:
        return {"consumer": self.consumer, "event_id": self.event_id, "claim": self.claim}


class Inbox:
    """One service's inbox: what its transports store into and its workers claim from."""

    def __init__(self, database: Database, service: str, subscriptions: Sequence[Subscription]) -> None:
        self.database, self.service = database, service
        self.subscriptions = {f"{service}.{entry.consumer}:{entry.event.event_type}": entry for entry in subscriptions}
        self._consumers: dict[str, list[str]] = {}
        self.modes: dict[str, Subscription] = {}
        for entry in subscriptions:
            name = f"{service}.{entry.consumer}"
            self._consumers.setdefault(entry.event.event_type, []).append(name)
            self.modes[name] = entry
        self.on_stored: Callable[[], None] = lambda: None

    @property
    def types(self) -> list[str]:
        return sorted(self._consumers)

    async def store(self, envelopes: Sequence[dict[str, Any]], *, only: str | None = None) -> None:
        """Store each envelope once for each of its consumers (or for `only`). What is already there stays."""
        rows = [row for envelope in envelopes for row in self._rows(envelope, only)]
        if not rows:
            return
        async with self.database.pool.connection() as connection:
            await connection.execute(_STORE, list(map(list, zip(*rows, strict=True))))
        self.on_stored()

    def _rows(self, envelope: dict[str, Any], only: str | None) -> list[tuple[Any, ...]]:
        consumers = [name for name in self._consumers.get(envelope["type"], []) if only in {None, name}]
        return [(name, *_columns(envelope), *self._initial_state(name, envelope)) for name in consumers]

    def _initial_state(self, consumer: str, envelope: dict[str, Any]) -> tuple[int, str | None]:
        """An event newer than our code waits, parked, for the deploy that understands it."""
        known = self.subscriptions[f"{consumer}:{envelope['type']}"].event.event_version
        if int(envelope.get("dataversion", 1)) > known:
            return PARKED, f"unsupported version {envelope['dataversion']}"
        return PENDING, None

    async def due_consumers(self) -> list[str]:
        async with self.database.pool.connection() as connection:
            rows = await (await connection.execute(_DUE)).fetchall()
        return [row["consumer"] for row in rows if row["consumer"] in self.modes]

    async def claim(self, consumer: str, *, limit: int = CLAIM_ROWS, lease: float = LEASE_SECONDS) -> list[Claimed]:
        """Take up to `limit` due rows for `lease` seconds. The attempt is counted now, so that a crash counts."""
        mode = self.modes[consumer]
        order = _BEHIND.format(blocking=_BLOCKING[mode.on_park]) if mode.ordered else ""
        token = uuid4()
        values = {"claim": token, "lease": lease, "consumer": consumer, "limit": limit}
        async with self.database.pool.connection() as connection, connection.transaction():
            if mode.ordered:
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"inbox:{consumer}",))
            rows = await (await connection.execute(_CLAIM.format(order=order).encode(), values)).fetchall()
        rows.sort(key=lambda row: row["seq"])
        return [_claimed(consumer, token, row) for row in rows]

    async def release(self, rows: Sequence[Claimed]) -> None:
        """Give rows back untouched; the attempt does not count."""
        if rows:
            ids = [row.event_id for row in rows]
            async with self.database.pool.connection() as connection:
                await connection.execute(_RELEASE, (rows[0].consumer, ids, rows[0].claim))

    async def retry_later(self, row: Claimed, error: BaseException) -> None:
        """Back off, or park after the last attempt."""
        if row.attempts > len(RETRY_SECONDS):
            await self.end(row, PARKED, error)
            return
        delay = RETRY_SECONDS[row.attempts - 1]
        await self._update(_RETRY, row, delay=delay, **_described(error))

    async def defer(self, row: Claimed, until: datetime, error: BaseException) -> None:
        await self._update(_DEFER, row, until=until, error=str(error))

    async def end(self, row: Claimed, status: int, error: BaseException) -> None:
        """Park or skip the row, with the reason."""
        await self._update(_END, row, status=status, **_described(error))

    async def _update(self, statement: str, row: Claimed, **values: Any) -> None:
        async with self.database.pool.connection() as connection:
            await connection.execute(statement.encode(), {**row.key(), **values})


def _columns(envelope: dict[str, Any]) -> tuple[Any, ...]:
    sequence = int(envelope["sequence"])
    body = Jsonb(envelope, dumps=orjson.dumps)
    return UUID(envelope["id"]), envelope["type"], envelope["subject"], sequence, body


def _claimed(consumer: str, token: UUID, row: dict[str, Any]) -> Claimed:
    return Claimed(
        consumer=consumer,
        claim=token,
        event_id=row["event_id"],
        type=row["type"],
        subject=row["subject"],
        sequence=row["sequence"],
        envelope=row["envelope"],
        attempts=row["attempts"],
        redriven=row["redrive_count"] > 0,
    )


def _described(error: BaseException) -> dict[str, str]:
    return {"error": str(error)[:2000], "class": type(error).__name__}
