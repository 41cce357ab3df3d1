"""The durable inbox: a message is stored once per consumer before anybody looks at what it means.

Claims, leases, attempts and their outcomes are rows here, so retry, back-off, parking and redrive need no broker.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import orjson
from psycopg import AsyncConnection

from shared.database import Database
from shared.events.event import Subscription
from shared.events.metrics import ID_CONFLICTS
from shared.events.verdicts import DONE, PARKED, PENDING, Verdict
from shared.logging import get_logger

CLAIM_ROWS = 20
LEASE_SECONDS = 60.0
# The consumer under which events lie that were bound for this service and that none of its code knows.
UNKNOWN = "unknown"

# The envelopes come as one JSON array, since escaping each for an array of jsonb took longer than all the rest.
_ARRIVED = """
    ROWS FROM (
        unnest(%s::text[], %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::smallint[], %s::int[],
               %s::float8[], %s::timestamptz[], %s::text[], %s::text[]),
        jsonb_array_elements(%s::jsonb))
    AS arrived(consumer, event_id, type, subject, sequence, status, attempts, delay, until, error, class, envelope)
"""
_INSERT = f"""
    INSERT INTO inbox (consumer, event_id, type, subject, sequence, envelope, status, attempts, next_attempt_at,
                       last_error, error_class, done_at)
    SELECT consumer, event_id, type, subject, sequence, envelope, status, attempts,
           coalesce(until, now() + delay * interval '1 second'), error, class,
           CASE WHEN status IN (1, 3) THEN now() END
      FROM {_ARRIVED}
"""  # noqa: S608 - constants of this module
_STORE = f"{_INSERT} ON CONFLICT (consumer, event_id) DO NOTHING"
_CONFLICTS = f"""
    SELECT i.consumer, i.event_id FROM inbox i JOIN {_ARRIVED} USING (consumer, event_id)
     WHERE i.envelope -> 'data' IS DISTINCT FROM arrived.envelope -> 'data' AND i.envelope IS NOT NULL
"""  # noqa: S608 - constants of this module
# Only existence is asked, so a backlog of any length costs one index probe per consumer.
_DUE = """
    SELECT consumer FROM unnest(%s::text[]) AS known(consumer)
     WHERE EXISTS (SELECT 1 FROM inbox i WHERE i.consumer = known.consumer AND i.status = 0
                      AND i.next_attempt_at <= now() AND (i.lease_until IS NULL OR i.lease_until < now()))
"""
_CLAIM = """
    WITH picked AS (
        SELECT i.consumer, i.event_id, i.lease_until IS NOT NULL AS abandoned FROM inbox i
         WHERE i.consumer = %(consumer)s AND i.status = 0 AND i.next_attempt_at <= now()
           AND (i.lease_until IS NULL OR i.lease_until < now()) {order}
         ORDER BY i.seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    UPDATE inbox SET claim = %(claim)s, lease_until = now() + %(lease)s * interval '1 second', attempts = attempts + 1
      FROM picked WHERE inbox.consumer = picked.consumer AND inbox.event_id = picked.event_id
    RETURNING seq, inbox.event_id, type, subject, sequence, envelope, attempts, redrive_count, abandoned
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
_RENEW = """
    UPDATE inbox SET lease_until = now() + %s * interval '1 second'
     WHERE consumer = %s AND event_id = ANY(%s) AND claim = %s AND status = 0
"""
_RELEASE = """
    UPDATE inbox SET claim = NULL, lease_until = NULL, attempts = attempts - 1
     WHERE consumer = %s AND event_id = ANY(%s) AND claim = %s AND status = 0
"""
_SETTLE = """
    UPDATE inbox SET claim = NULL, lease_until = NULL, status = %(status)s, attempts = attempts - %(uncounted)s,
           next_attempt_at = coalesce(%(until)s::timestamptz, now() + %(delay)s * interval '1 second'),
           last_error = %(error)s, error_class = %(error_class)s,
           done_at = CASE WHEN %(status)s IN (1, 3) THEN now() END
     WHERE consumer = %(consumer)s AND event_id = %(event_id)s AND claim = %(claim)s AND status = 0
"""


@dataclass(frozen=True, slots=True)
class Message:
    """An event for one consumer. `attempts` counts the one that is being made; `claim` is None before it is stored."""

    consumer: str
    event_id: UUID
    type: str
    subject: str
    sequence: int
    envelope: dict[str, Any]
    attempts: int = 0
    claim: UUID | None = None
    redriven: bool = False

    @property
    def key(self) -> tuple[str, UUID]:
        return self.consumer, self.event_id


class Inbox:
    """One service's inbox: what its transports store into and its workers claim from."""

    def __init__(self, database: Database, service: str, subscriptions: Sequence[Subscription]) -> None:
        self.database, self.service = database, service
        self._by_type: dict[str, dict[str, Subscription]] = {}
        self.modes: dict[str, Subscription] = {}
        for entry in subscriptions:
            consumer = f"{service}.{entry.consumer}"
            self._by_type.setdefault(entry.event.event_type, {})[consumer] = entry
            self.modes[consumer] = entry
        self.on_stored: Callable[[], None] = lambda: None

    @property
    def consumers(self) -> list[str]:
        return sorted(self.modes)

    def subscription_of(self, message: Message) -> Subscription:
        return self._by_type[message.type][message.consumer]

    def messages_of(self, envelope: dict[str, Any], only: str | None = None) -> list[Message]:
        """One message per consumer of the envelope's type; what nobody here knows is kept for the deploy that does."""
        consumers = list(self._by_type.get(envelope["type"], {})) or [f"{self.service}.{UNKNOWN}"]
        return [_message(name, envelope) for name in consumers if only in {None, name}]

    def initial_verdict(self, message: Message) -> Verdict:
        """How a message is stored before anybody handled it."""
        known = self._by_type.get(message.type, {}).get(message.consumer)
        if known is None:
            return Verdict(PARKED, error="unknown type", error_class="UnknownType")
        version = int(message.envelope.get("dataversion", 1))
        if version > known.event.event_version:
            return Verdict(PARKED, error=f"unsupported version {version}", error_class="UnsupportedVersion")
        return Verdict(PENDING)

    async def store(self, envelopes: Sequence[dict[str, Any]], *, only: str | None = None) -> None:
        """Store each envelope once for each of its consumers (or for `only`). What is already there stays."""
        messages = [message for envelope in envelopes for message in self.messages_of(envelope, only)]
        if not messages:
            return
        async with self.database.pool.connection() as connection:
            await self.insert_missing(connection, messages)
        self.on_stored()

    async def insert_missing(self, connection: AsyncConnection[Any], messages: Sequence[Message]) -> None:
        """Store the messages that are not there yet, as nobody has handled them."""
        columns = _columns([(message, self.initial_verdict(message)) for message in messages])
        stored = await connection.execute(_STORE.encode(), columns)
        if stored.rowcount < len(messages):
            await _count_conflicts(connection, columns)

    async def insert(self, connection: AsyncConnection[Any], handled: Sequence[tuple[Message, Verdict]]) -> None:
        """Store messages with what became of them, in the caller's transaction. A repeat is a unique violation."""
        await connection.execute(_INSERT.encode(), _columns(handled))

    async def due_consumers(self) -> list[str]:
        async with self.database.pool.connection() as connection:
            rows = await (await connection.execute(_DUE, (self.consumers,))).fetchall()
        return [row["consumer"] for row in rows]

    async def claim(self, consumer: str, *, limit: int = CLAIM_ROWS, lease: float = LEASE_SECONDS) -> list[Message]:
        """Take up to `limit` due messages for `lease` seconds. The attempt is counted now, so that a crash counts.

        A message whose last holder vanished comes alone: should it be what kills workers, it takes nobody with it.
        """
        mode = self.modes[consumer]
        order = _BEHIND.format(blocking=_BLOCKING[mode.on_park]) if mode.ordered else ""
        token = uuid4()
        values = {"claim": token, "lease": lease, "consumer": consumer, "limit": limit}
        async with self.database.pool.connection() as connection, connection.transaction():
            if mode.ordered:
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"inbox:{consumer}",))
            rows = await (await connection.execute(_CLAIM.format(order=order).encode(), values)).fetchall()
            rows.sort(key=lambda row: row["seq"])
            suspect = next((row for row in rows if row["abandoned"]), None)
            if suspect:
                others = [row["event_id"] for row in rows if row is not suspect]
                await connection.execute(_RELEASE, (consumer, others, token))
                rows = [suspect]
        return [_claimed(consumer, token, row) for row in rows]

    async def renew(self, messages: Sequence[Message], *, lease: float = LEASE_SECONDS) -> None:
        """Hold claimed messages for another `lease` seconds from now."""
        await self._execute(_RENEW, lease, *_claim_of(messages))

    async def release(self, messages: Sequence[Message]) -> None:
        """Give claimed messages back untouched; the attempt does not count."""
        if messages:
            await self._execute(_RELEASE, *_claim_of(messages))

    async def settle(self, message: Message, verdict: Verdict) -> None:
        """Write down what became of a claimed message whose transaction was rolled back."""
        values = {
            "consumer": message.consumer,
            "event_id": message.event_id,
            "claim": message.claim,
            "status": verdict.status,
            "uncounted": message.attempts - verdict.attempts_after(message.attempts),
            "until": verdict.until,
            "delay": verdict.delay_seconds,
            "error": verdict.error,
            "error_class": verdict.error_class,
        }
        async with self.database.pool.connection() as connection:
            await connection.execute(_SETTLE.encode(), values)

    async def _execute(self, statement: str, *values: Any) -> None:
        async with self.database.pool.connection() as connection:
            await connection.execute(statement.encode(), values)


async def mark_done(connection: AsyncConnection[Any], message: Message) -> bool:
    """Mark a claimed message as handled in its effect's transaction; False when the lease went to somebody else."""
    done = {"consumer": message.consumer, "event_id": message.event_id, "claim": message.claim, "status": DONE}
    nothing = {"uncounted": 0, "until": None, "delay": 0, "error": None, "error_class": None}
    return (await connection.execute(_SETTLE.encode(), {**done, **nothing})).rowcount == 1


async def _count_conflicts(connection: AsyncConnection[Any], columns: list[Any]) -> None:
    """A repeat is normal; the same id with other contents is a publisher's fault. The first one wins."""
    rows = await (await connection.execute(_CONFLICTS.encode(), columns)).fetchall()
    for row in rows:
        ID_CONFLICTS.labels(row["consumer"]).inc()
        log.error("event_id_conflict", consumer=row["consumer"], event_id=str(row["event_id"]))


def _message(consumer: str, envelope: dict[str, Any]) -> Message:
    return Message(
        consumer=consumer,
        event_id=UUID(envelope["id"]),
        type=envelope["type"],
        subject=envelope["subject"],
        sequence=int(envelope["sequence"]),
        envelope=envelope,
    )


def _claimed(consumer: str, token: UUID, row: dict[str, Any]) -> Message:
    return Message(
        consumer=consumer,
        event_id=row["event_id"],
        type=row["type"],
        subject=row["subject"],
        sequence=row["sequence"],
        envelope=row["envelope"],
        attempts=row["attempts"],
        claim=token,
        redriven=row["redrive_count"] > 0,
    )


def _claim_of(messages: Sequence[Message]) -> tuple[str, list[UUID], UUID | None]:
    first = messages[0]
    return first.consumer, [message.event_id for message in messages], first.claim


def _columns(rows: Sequence[tuple[Message, Verdict]]) -> list[Any]:
    return [
        [message.consumer for message, _ in rows],
        [message.event_id for message, _ in rows],
        [message.type for message, _ in rows],
        [message.subject for message, _ in rows],
        [message.sequence for message, _ in rows],
        [verdict.status for _, verdict in rows],
        [verdict.attempts_after(message.attempts) for message, verdict in rows],
        [float(verdict.delay_seconds) for _, verdict in rows],
        [verdict.until for _, verdict in rows],
        [verdict.error for _, verdict in rows],
        [verdict.error_class for _, verdict in rows],
        orjson.dumps([message.envelope for message, _ in rows]).decode(),
    ]


log = get_logger(__name__)
