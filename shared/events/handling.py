"""One attempt at one message, in the session that will carry its effect."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import AsyncConnection
from psycopg import errors as postgres
from sqlalchemy.exc import DBAPIError

from shared.database import WriteSession
from shared.events import tracing
from shared.events.event import EventContext, Subscription
from shared.events.inbox import Message
from shared.events.metrics import ATTEMPTS, HANDLER_SECONDS, OUTCOMES
from shared.events.verdicts import DONE, PARKED, SKIPPED, Verdict
from shared.logging import get_logger

if TYPE_CHECKING:
    from shared.runtime import Runtime

CLASHES = (postgres.SerializationFailure, postgres.DeadlockDetected, postgres.LockNotAvailable)

log = get_logger(__name__)


async def handle(runtime: "Runtime", session: WriteSession, subscription: Subscription, message: Message) -> None:
    """Run the handler and flush what it left; what it raises leaves the transaction to be rolled back."""
    event = subscription.event.model_validate(message.envelope["data"])
    with tracing.caused_by(message.envelope), HANDLER_SECONDS.labels(message.consumer).time():
        await subscription.handler(session, event, _context(runtime, message))
        if session.new or session.dirty or session.deleted:
            await session.flush()


async def handle_in_savepoint(
    runtime: "Runtime", session: WriteSession, subscription: Subscription, message: Message
) -> None:
    """Run the handler; what it raises has been rolled back, and the session is usable again."""
    async with session.begin_nested():
        await handle(runtime, session, subscription, message)


def is_clash(error: Exception) -> bool:
    """Two transactions stood in each other's way: nobody's fault, and worth another try at once."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, CLASHES)


async def driver_of(session: WriteSession) -> AsyncConnection[Any]:
    """The psycopg connection under the session, in the same transaction, for the bus's own statements."""
    connection = await (await session.connection()).get_raw_connection()
    driver = connection.driver_connection
    assert isinstance(driver, AsyncConnection)
    return driver


def report(message: Message, verdict: Verdict, error: Exception | None = None) -> None:
    """Count what became of the message, and say so where somebody may have to look."""
    OUTCOMES.labels(message.consumer, verdict.name).inc()
    about = {"consumer": message.consumer, "event_id": str(message.event_id), "attempt": message.attempts}
    if verdict.error_class:
        ATTEMPTS.labels(message.consumer, verdict.error_class).inc()
    if verdict.status == PARKED:
        log.error("event_parked", **about, reason=verdict.error)
    elif verdict.status not in {DONE, SKIPPED} and verdict.counted:
        log.warning("handler_failed", **about, reason=verdict.error, exc_info=error)


def _context(runtime: "Runtime", message: Message) -> EventContext:
    return EventContext(
        runtime=runtime,
        event_id=message.event_id,
        subject=message.subject,
        sequence=message.sequence,
        occurred_at=datetime.fromisoformat(message.envelope["time"]),
        replay=message.redriven or bool(message.envelope.get("replay")),
    )
