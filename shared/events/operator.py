"""What an operator does with events: look where they wait, and send parked ones on or away.

Nothing is changed by default: `redrive` and `discard` only count until `dry_run=False` is said, and both are written to
the log with who asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from shared.database import Database
from shared.events.envelope import OutboxRow
from shared.events.inbox import UNKNOWN, Inbox
from shared.events.metrics import INBOX_LAG, OUTBOX_LAG
from shared.events.transport import Transport
from shared.logging import get_logger

BATCH = 200

_SELECTED = """
    status = 2 AND (%(consumer)s::text IS NULL OR consumer = %(consumer)s)
    AND (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(subject)s::text IS NULL OR subject = %(subject)s)
    AND (%(error_class)s::text IS NULL OR error_class = %(error_class)s)
    AND (%(event_id)s::uuid IS NULL OR event_id = %(event_id)s)
    AND received_at <= now() - %(older_than)s * interval '1 second'
"""
_PARKED = f"""
    SELECT consumer, event_id, type, subject, sequence, received_at, attempts, error_class, last_error, redrive_count
      FROM inbox WHERE {_SELECTED} ORDER BY consumer, seq LIMIT %(limit)s
"""  # noqa: S608 - constants of this module
_COUNT = f"SELECT count(*) AS found FROM inbox WHERE {_SELECTED}"  # noqa: S608 - constants of this module
_PICK = f"""
    SELECT consumer, event_id, envelope FROM inbox WHERE {_SELECTED} ORDER BY seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - constants of this module
_REDRIVE = """
    UPDATE inbox SET status = 0, attempts = 0, next_attempt_at = now(), redrive_count = redrive_count + 1,
           redriven_by = %s
     WHERE (consumer, event_id) IN (SELECT * FROM unnest(%s::text[], %s::uuid[])) AND status = 2
"""
_DISCARD = """
    UPDATE inbox SET status = 3, done_at = now(), error_class = 'Discarded', last_error = %s, redriven_by = %s
     WHERE (consumer, event_id) IN (SELECT * FROM unnest(%s::text[], %s::uuid[])) AND status = 2
"""
_SENT = """
    SELECT id, event_id, type, subject, sequence, envelope FROM outbox
     WHERE type = %(type)s AND occurred_at >= %(since)s AND occurred_at < coalesce(%(until)s, 'infinity'::timestamptz)
       AND published_at IS NOT NULL AND id > %(after)s ORDER BY id LIMIT %(limit)s
"""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ConsumerLag:
    consumer: str
    pending: int
    parked: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Lag:
    """How far one service is behind: with sending, and each of its consumers with handling."""

    service: str
    unsent: int
    oldest_unsent_seconds: float
    consumers: tuple[ConsumerLag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedFilter:
    """Which parked events are meant; what is not given does not matter."""

    consumer: str | None = None
    type: str | None = None
    subject: str | None = None
    error_class: str | None = None
    event_id: str | None = None
    older_than_seconds: float = 0

    def values(self, limit: int = 0) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in ("consumer", "type", "subject", "error_class", "event_id")}
        return {**given, "older_than": self.older_than_seconds, "limit": limit}


ANY = ParkedFilter()


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    consumer: str
    event_id: str
    type: str
    subject: str
    sequence: int
    received_at: datetime
    attempts: int
    error_class: str | None
    last_error: str | None
    redrive_count: int


async def lag(database: Database, service: str, consumers: Sequence[str] = ()) -> Lag:
    """Where events wait. `consumers` are listed even when they have caught up."""
    async with database.pool.connection() as connection:
        outbox = await (await connection.execute(OUTBOX_LAG)).fetchone() or {}
        rows = await (await connection.execute(INBOX_LAG)).fetchall()
    known = {name: ConsumerLag(name, 0, 0, 0.0) for name in consumers}
    known |= {
        row["consumer"]: ConsumerLag(row["consumer"], row["pending"], row["parked"], row["oldest"]) for row in rows
    }
    return Lag(service, outbox["pending"], outbox["oldest"], tuple(known[name] for name in sorted(known)))


async def parked(database: Database, wanted: ParkedFilter = ANY, *, limit: int = 100) -> list[ParkedEvent]:
    """Parked events with what went wrong, oldest first for each consumer."""
    async with database.pool.connection() as connection:
        rows = await (await connection.execute(_PARKED.encode(), wanted.values(limit))).fetchall()
    return [ParkedEvent(**{**row, "event_id": str(row["event_id"])}) for row in rows]


async def redrive(inbox: Inbox, wanted: ParkedFilter = ANY, *, by: str, limit: int = 1000, dry_run: bool = True) -> int:
    """Give parked events another life, in their old place in the order; returns how many were meant, or redriven.

    At most `limit` at a time, the oldest first. Events no code knew when they came go to the consumers that do now.
    """
    if dry_run:
        return await _count(inbox.database, wanted, limit)
    async with inbox.database.pool.connection() as connection, connection.transaction():
        rows = await (await connection.execute(_PICK.encode(), wanted.values(limit))).fetchall()
        unknown = [row for row in rows if row["consumer"] == f"{inbox.service}.{UNKNOWN}"]
        await _redrive_known(connection, [row for row in rows if row not in unknown], by)
        await _hand_out_unknown(connection, inbox, unknown, by)
    log.warning("events_redriven", service=inbox.service, count=len(rows), by=by, filter=repr(wanted))
    inbox.on_stored()
    return len(rows)


async def discard(
    database: Database, wanted: ParkedFilter, *, reason: str, by: str, limit: int = 1000, dry_run: bool = True
) -> int:
    """Give parked events up: those behind them go on. Raises ValueError without a reason."""
    if not reason.strip():
        raise ValueError("Discarding events needs a reason.")
    if dry_run:
        return await _count(database, wanted, limit)
    async with database.pool.connection() as connection, connection.transaction():
        rows = await (await connection.execute(_PICK.encode(), wanted.values(limit))).fetchall()
        await connection.execute(_DISCARD, (reason, by, *_keys(rows)))
    log.warning("events_discarded", count=len(rows), by=by, reason=reason, filter=repr(wanted))
    return len(rows)


async def replay(
    publisher: Database,
    transport: Transport,
    event_type: str,
    *,
    to: str,
    since: datetime,
    until: datetime | None = None,
) -> int:
    """Send what was published once more, to the one consumer `to` (`service.consumer`), in the old order.

    For a new consumer's backfill: one that has handled an event ignores it. Returns how many were sent; raises what
    the transport raises.
    """
    count = last_id = 0
    values = {"type": event_type, "since": since, "until": until, "limit": BATCH}
    while rows := await _sent_after(publisher, last_id, values):
        await transport.send_to(to, rows)
        count += len(rows)
        last_id = rows[-1].id
    log.warning("events_replayed", type=event_type, to=to, count=count)
    return count


async def _sent_after(publisher: Database, after: int, values: dict[str, Any]) -> list[OutboxRow]:
    async with publisher.pool.connection() as connection:
        rows = await (await connection.execute(_SENT, {**values, "after": after})).fetchall()
    return [OutboxRow(**row) for row in rows]


async def _count(database: Database, wanted: ParkedFilter, limit: int) -> int:
    async with database.pool.connection() as connection:
        row = await (await connection.execute(_COUNT.encode(), wanted.values())).fetchone()
    return min(row["found"] if row else 0, limit)


async def _redrive_known(connection: AsyncConnection[DictRow], rows: Sequence[DictRow], by: str) -> None:
    if rows:
        await connection.execute(_REDRIVE, (by, *_keys(rows)))


async def _hand_out_unknown(
    connection: AsyncConnection[DictRow], inbox: Inbox, rows: Sequence[DictRow], by: str
) -> None:
    """Store again, for whoever subscribes by now, what was kept without knowing what it was."""
    for row in rows:
        messages = [message for message in inbox.messages_of(row["envelope"]) if message.key[0] != row["consumer"]]
        if messages:
            await inbox.insert_missing(connection, messages)
            await connection.execute(
                _DISCARD, ("handed out to its consumers", by, [row["consumer"]], [row["event_id"]])
            )


def _keys(rows: Sequence[DictRow]) -> tuple[list[str], list[Any]]:
    return [row["consumer"] for row in rows], [row["event_id"] for row in rows]
