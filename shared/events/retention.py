"""Removing what is past its time: a thousand rows per transaction, one process at a time, always by index.

Handled events are kept longer than any outage, redrive and replay together, since a repeat is recognised by them.
"""

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from shared.database import Database

HANDLED_DAYS = 30
ENVELOPE_DAYS = 7
SENT_DAYS = 30
IDEMPOTENCY_HOURS = 24
ROWS = 1000

# Parked events are never removed; somebody has to look at them.
_INBOX = """
    DELETE FROM inbox WHERE (consumer, event_id) IN (
        SELECT consumer, event_id FROM inbox WHERE status IN (1, 3) AND done_at < now() - %s * interval '1 day'
         ORDER BY done_at LIMIT %s)
"""
# Bounded below, so that a run does not walk through all that earlier runs have emptied.
_ENVELOPES = """
    UPDATE inbox SET envelope = NULL WHERE (consumer, event_id) IN (
        SELECT consumer, event_id FROM inbox
         WHERE status IN (1, 3) AND done_at < now() - %s * interval '1 day' AND envelope IS NOT NULL
           AND done_at > now() - interval '10 days'
         ORDER BY done_at LIMIT %s)
"""
_OUTBOX = """
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM (SELECT id, published_at FROM outbox ORDER BY id LIMIT 5000) oldest
         WHERE published_at < now() - %s * interval '1 day' LIMIT %s)
"""
_IDEMPOTENCY_KEYS = """
    DELETE FROM idempotency_keys WHERE (principal, key, route) IN (
        SELECT principal, key, route FROM idempotency_keys WHERE created_at < now() - %s * interval '1 hour'
         ORDER BY created_at LIMIT %s)
"""
_STEPS = {
    "inbox": (_INBOX, HANDLED_DAYS),
    "envelopes": (_ENVELOPES, ENVELOPE_DAYS),
    "outbox": (_OUTBOX, SENT_DAYS),
    "idempotency_keys": (_IDEMPOTENCY_KEYS, IDEMPOTENCY_HOURS),
}
_LEAD = "SELECT pg_try_advisory_lock(hashtext('atelier:retention')) AS ours"
_RESIGN = "SELECT pg_advisory_unlock(hashtext('atelier:retention'))"


async def remove_expired(database: Database) -> dict[str, int]:
    """Remove everything past its time; returns the rows removed by name. Nothing when another process is at it."""
    async with database.pool.connection() as connection:
        lead = await (await connection.execute(_LEAD)).fetchone()
        if not (lead and lead["ours"]):
            return {}
        try:
            return {name: await _repeat(connection, *step) for name, step in _STEPS.items()}
        finally:
            await connection.execute(_RESIGN)


async def _repeat(connection: AsyncConnection[DictRow], statement: str, age: int) -> int:
    total = 0
    while True:
        rows = (await connection.execute(statement.encode(), (age, ROWS))).rowcount
        total += rows
        if rows < ROWS:
            return total
