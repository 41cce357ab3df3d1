"""Publishing: an event becomes a row in the transaction of its cause, or it did not happen."""

from uuid import UUID

import orjson
from sqlalchemy import text

from shared.database import WriteSession
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


async def publish(session: WriteSession, event: Event, *, sequence: int, actor: str | None = None) -> UUID:
    """Append the event to the outbox in the session's transaction; returns its id.

    `sequence` is the aggregate's version after the change: lock and bump the row first, publish after. The same
    subject, sequence and type twice is refused by the database, which catches a forgotten bump.
    """
    if not session.in_transaction():
        raise PublishedOutsideTransaction(type(event).event_type)
    service = session.info["service"]
    if service not in type(event).event_publishers:
        raise NotThePublisher(f"{service} may not publish {type(event).event_type}")
    event_id, occurred_at = new_id(), session.info["clock"].now()
    envelope = envelope_of(
        event, event_id=event_id, source=service, sequence=sequence, occurred_at=occurred_at, actor=actor
    )
    await session.flush()
    values = {"event_id": event_id, "type": envelope["type"], "subject": envelope["subject"], "sequence": sequence}
    await session.execute(_APPEND, {**values, "occurred_at": occurred_at, "envelope": orjson.dumps(envelope).decode()})
    session.info["published"] = True
    return event_id
