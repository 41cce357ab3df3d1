"""Publishing: an event becomes a row in the transaction of its cause, or it did not happen."""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from shared.database import Database, WriteSession
from shared.events.envelope import envelope_of
from shared.events.event import Event
from shared.ids import new_id

_APPEND = text("""
    INSERT INTO outbox (event_id, type, subject, sequence, occurred_at, envelope)
    VALUES (:event_id, :type, :subject, :sequence, :occurred_at, CAST(:envelope AS jsonb))
""")


class PublishedOutsideTransaction(RuntimeError):
    """An event without a transaction would outlive or precede its cause."""


class NotThePublisher(RuntimeError):
    """The contract does not let this service publish this event."""


# For a hot path's own statement: `WITH done AS (INSERT …), told AS (` + APPEND + `) SELECT … FROM done`.
APPEND = """
    INSERT INTO outbox (event_id, type, subject, sequence, occurred_at, envelope)
    VALUES (%(event_id)s, %(event_type)s, %(event_subject)s, %(event_sequence)s, %(occurred_at)s, %(envelope)s::jsonb)
"""


def appended(database: Database, event: Event, *, sequence: int, actor: str | None = None) -> dict[str, Any]:
    """The values of APPEND, for one statement that is its own transaction. Once it has run, tell the relay by
    `database.committed_events()`. Raises NotThePublisher."""
    row = _row_of(event, database.service, database.clock.now(), sequence, actor)
    return {f"event_{name}" if name in {"type", "subject", "sequence"} else name: row[name] for name in row}


async def publish(session: WriteSession, event: Event, *, sequence: int, actor: str | None = None) -> UUID:
    """Append the event to the outbox in the session's transaction; returns its id.

    `sequence` is the aggregate's version after the change: lock and bump the row first, publish after. The same
    subject, sequence and type twice is refused by the database, which catches a forgotten bump.
    """
    if not session.in_transaction():
        raise PublishedOutsideTransaction(type(event).event_type)
    row = _row_of(event, session.info["service"], session.info["clock"].now(), sequence, actor)
    await session.flush()
    await session.execute(_APPEND, row)
    session.info["published"] = True
    event_id: UUID = row["event_id"]
    return event_id


def _row_of(event: Event, service: str, occurred_at: datetime, sequence: int, actor: str | None) -> dict[str, Any]:
    if service not in type(event).event_publishers:
        raise NotThePublisher(f"{service} may not publish {type(event).event_type}")
    event_id = new_id()
    envelope = envelope_of(
        event, event_id=event_id, source=service, sequence=sequence, occurred_at=occurred_at, actor=actor
    )
    return {
        "event_id": event_id,
        "type": envelope["type"],
        "subject": envelope["subject"],
        "sequence": sequence,
        "occurred_at": occurred_at,
        "envelope": orjson.dumps(envelope).decode(),
    }
