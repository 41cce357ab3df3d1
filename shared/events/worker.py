"""Handling: each claimed event in one transaction with its effect, its follow-up events and its mark."""

from datetime import datetime
from uuid import UUID

from psycopg import errors as postgres
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.events import tracing
from shared.events.event import EventContext
from shared.events.inbox import PARKED, RETRY_SECONDS, SKIPPED, Claimed, Inbox
from shared.events.metrics import HANDLER_SECONDS, OUTCOMES
from shared.events.outcomes import Defer, Reject, Skip
from shared.logging import get_logger
from shared.runtime import Runtime

IMMEDIATE_TRIES = 3

_DONE = text("""
    UPDATE inbox SET status = 1, done_at = now(), claim = NULL, lease_until = NULL, last_error = NULL
     WHERE consumer = :consumer AND event_id = :event_id AND claim = :claim AND status = 0
""")

log = get_logger(__name__)


class LeaseLost(Exception):
    """Another worker took the event over while we were slow; our effect must not land."""


class TooManyCrashes(Exception):
    """The event was claimed again and again and never came to an end."""


class Worker:
    """Works one service's inbox off."""

    def __init__(self, runtime: Runtime, inbox: Inbox) -> None:
        self._runtime, self._inbox = runtime, inbox

    async def work(self, consumer: str) -> int:
        """Claim and handle one batch of a consumer; returns how many rows it had in hand."""
        rows = await self._inbox.claim(consumer)
        ordered = self._inbox.modes[consumer].ordered
        for position, row in enumerate(rows):
            if not await self._handle(row) and ordered:
                # Later events of the subject must not overtake the one that failed.
                behind = [later for later in rows[position + 1 :] if later.subject == row.subject]
                await self._inbox.release(behind)
                rest = [later for later in rows[position + 1 :] if later.subject != row.subject]
                return position + 1 + await self._handle_rest(rest)
        return len(rows)

    async def _handle_rest(self, rows: list[Claimed]) -> int:
        """The rest of an ordered batch after a failure: whatever fails here takes its own subject back with it."""
        failed: set[str] = set()
        for row in rows:
            if row.subject in failed:
                await self._inbox.release([row])
            elif not await self._handle(row):
                failed.add(row.subject)
        return len(rows)

    async def _handle(self, row: Claimed) -> bool:
        """Handle one row to an outcome. Returns whether later events of its subject may follow."""
        if row.attempts > len(RETRY_SECONDS) + 1:
            await self._inbox.end(row, PARKED, TooManyCrashes(f"{row.attempts} attempts without an end"))
            return False
        try:
            await self._try(row)
        except Skip as reason:
            await self._inbox.end(row, SKIPPED, reason)
            OUTCOMES.labels(row.consumer, "skipped").inc()
        except Defer as reason:
            await self._inbox.defer(row, reason.until, reason)
            OUTCOMES.labels(row.consumer, "deferred").inc()
            return False
        except LeaseLost:
            log.warning("lease_lost", consumer=row.consumer, event=str(row.event_id))
            return False
        except (Reject, ValidationError) as error:
            return await self._park(row, error)
        except Exception as error:
            log.exception("handler_failed", consumer=row.consumer, event=str(row.event_id), attempt=row.attempts)
            await self._inbox.retry_later(row, error)
            OUTCOMES.labels(row.consumer, "retried").inc()
            return False
        else:
            OUTCOMES.labels(row.consumer, "done").inc()
        return True

    async def _park(self, row: Claimed, error: Exception) -> bool:
        log.error("event_parked", consumer=row.consumer, event=str(row.event_id), reason=str(error))
        await self._inbox.end(row, PARKED, error)
        OUTCOMES.labels(row.consumer, "parked").inc()
        return self._inbox.modes[row.consumer].on_park == "continue"

    async def _try(self, row: Claimed) -> None:
        """Run the handler; a deadlock or serialisation failure is nobody's fault and is tried again at once."""
        for attempt in range(1, IMMEDIATE_TRIES + 1):
            try:
                await self._handle_in_transaction(row)
            except DBAPIError as error:
                clashed = isinstance(error.orig, postgres.SerializationFailure | postgres.DeadlockDetected)
                if not clashed or attempt == IMMEDIATE_TRIES:
                    raise
            else:
                return

    async def _handle_in_transaction(self, row: Claimed) -> None:
        subscription = self._inbox.subscriptions[f"{row.consumer}:{row.type}"]
        event = subscription.event.model_validate(row.envelope["data"])
        tracing.correlation_id.set(row.envelope.get("correlationid"))
        tracing.causation_id.set(str(row.event_id))
        with HANDLER_SECONDS.labels(row.consumer).time():
            async with self._runtime.database.write() as session:
                async with session.begin_nested():
                    await subscription.handler(session, event, self._context(row))
                marked = await session.execute(_DONE, row.key())
                if marked.rowcount != 1:  # type: ignore[attr-defined]
                    raise LeaseLost

    def _context(self, row: Claimed) -> EventContext:
        return EventContext(
            runtime=self._runtime,
            event_id=UUID(str(row.event_id)),
            subject=row.subject,
            sequence=row.sequence,
            occurred_at=datetime.fromisoformat(row.envelope["time"]),
            replay=row.redriven or bool(row.envelope.get("replay")),
        )
