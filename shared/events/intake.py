"""Taking in what a transport delivers.

A fresh batch is stored and handled in one transaction: one commit instead of one to store, one to claim and one per
event. Whatever does not fit that path, or was delivered before, is stored first and handled from the inbox, so that
an event which kills its handler is still counted.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import AsyncConnection

from shared.database import WriteSession
from shared.events.handling import driver_of, handle, handle_in_savepoint, is_clash, report
from shared.events.inbox import Inbox, Message
from shared.events.metrics import INTAKE
from shared.events.verdicts import DONE, PENDING, Verdict, verdict_on
from shared.logging import get_logger

if TYPE_CHECKING:
    from shared.runtime import Runtime

# A batch may hold its locks, and keep its transport waiting, for this long; the rest is left to the workers.
BATCH_SECONDS = 2.0
# Publishers whose batches are handled at the same time, so that requests keep most of the connections.
CONCURRENT_BATCHES = 2
# Below Postgres' deadlock_timeout: a batch holds many locks, and must be the one that gives way.
LOCK_MILLISECONDS = 200
# A consumer this far behind gets everything through its inbox.
BACKLOG_ROWS = 200

# One round trip: it bounds the waits for locks, and finds the messages that are here already and the subjects that
# have something waiting (none for a consumer that is far behind, whatever the subject).
_LOOK = """
    SELECT 'limit' AS found, '' AS consumer, set_config('lock_timeout', %(lock)s, true) AS value
    UNION ALL
    SELECT 'known', consumer, event_id::text FROM inbox
     WHERE (consumer, event_id) IN (SELECT * FROM unnest(%(consumers)s::text[], %(events)s::uuid[]))
    UNION ALL
    SELECT 'busy', known.consumer, waiting.subject FROM unnest(%(distinct)s::text[]) AS known(consumer), LATERAL (
        SELECT subject FROM inbox i WHERE i.consumer = known.consumer AND i.status = 0
         ORDER BY i.seq LIMIT %(backlog)s) waiting
    UNION ALL
    SELECT 'busy', i.consumer, i.subject FROM inbox i
     WHERE i.status = 2
       AND (i.consumer, i.subject) IN (SELECT * FROM unnest(%(consumers)s::text[], %(subjects)s::text[]))
"""

log = get_logger(__name__)


class Intake:
    """One service's end of a transport."""

    def __init__(self, runtime: "Runtime", inbox: Inbox) -> None:
        self._runtime, self._inbox = runtime, inbox
        self._slots = asyncio.Semaphore(CONCURRENT_BATCHES)
        self.stopping = False

    @property
    def service(self) -> str:
        return self._inbox.service

    async def receive(self, envelopes: Sequence[dict[str, Any]], *, fresh: bool, only: str | None = None) -> None:
        """Take the envelopes in; when this returns they are safe. `fresh` promises that nobody tried before.

        `only` names the one consumer a replay is meant for.
        """
        if fresh and only is None and not self.stopping:
            for batch in (_Batch, _CarefulBatch):
                try:
                    return await self._handle_at_once(envelopes, batch)
                except Exception as error:  # noqa: BLE001 - the next way decides whether it is an error
                    log.info("batch_not_handled_at_once", service=self.service, reason=str(error)[:300])
        await self._inbox.store(envelopes, only=only)
        INTAKE.labels(self.service, "stored").inc(len(envelopes))

    async def _handle_at_once(self, envelopes: Sequence[dict[str, Any]], kind: "type[_Batch]") -> None:
        # One batch may hold an event twice, when its publisher lost a connection and sent again.
        unique = {message.key: message for envelope in envelopes for message in self._inbox.messages_of(envelope)}
        messages = list(unique.values())
        async with self._slots, self._runtime.database.write() as session:
            driver = await driver_of(session)
            known, busy = await _look(driver, messages)
            messages = [message for message in messages if message.key not in known]
            if not messages:
                return
            batch = kind(self._runtime, self._inbox, session, busy)
            handled = [(message, await batch.take(message)) for message in messages]
            await self._inbox.insert(driver, [(batch.begun.get(message.key, message), v) for message, v in handled])
        batch.report()
        INTAKE.labels(self.service, "at_once").inc(len(envelopes))
        if any(verdict.status == PENDING for _, verdict in handled):
            self._inbox.on_stored()


class _Batch:
    """The messages of one delivery, handled one after the other in one transaction.

    Nearly always all of them go well, so there are no savepoints, and the first error ends the batch.
    """

    def __init__(
        self, runtime: "Runtime", inbox: Inbox, session: WriteSession, busy: dict[str, set[str] | None]
    ) -> None:
        self._runtime, self._inbox, self._session = runtime, inbox, session
        self._busy = busy
        self._ends_at = time.monotonic() + BATCH_SECONDS
        self.begun: dict[Any, Message] = {}
        self._reports: list[tuple[Message, Verdict, Exception | None]] = []

    async def take(self, message: Message) -> Verdict:
        """Handle the message, or leave it pending when something of its subject is before it or time is up."""
        verdict = self._inbox.initial_verdict(message)
        if verdict.status != PENDING or self._must_wait(message):
            return verdict
        verdict = await self._attempt(replace(message, attempts=1))
        if not verdict.lets_pass(self._inbox.modes[message.consumer]):
            self._wait_behind(message)
        return verdict

    async def _attempt(self, message: Message) -> Verdict:
        await handle(self._runtime, self._session, self._inbox.subscription_of(message), message)
        return self._end(message, Verdict(DONE))

    def _end(self, message: Message, verdict: Verdict, cause: Exception | None = None) -> Verdict:
        # Each handler finds a session as empty as if it were alone.
        self._session.expunge_all()
        self.begun[message.key] = message
        self._reports.append((message, verdict, cause))
        return verdict

    def _must_wait(self, message: Message) -> bool:
        subjects = self._busy.get(message.consumer, set())
        return subjects is None or message.subject in subjects or time.monotonic() > self._ends_at

    def _wait_behind(self, message: Message) -> None:
        subjects = self._busy.setdefault(message.consumer, set())
        if subjects is not None:
            subjects.add(message.subject)

    def report(self) -> None:
        """Say what became of the messages, once it is committed."""
        for entry in self._reports:
            report(*entry)


class _CarefulBatch(_Batch):
    """The same batch again after an error, each message in a savepoint: one that fails costs only itself."""

    async def _attempt(self, message: Message) -> Verdict:
        subscription = self._inbox.subscription_of(message)
        try:
            await handle_in_savepoint(self._runtime, self._session, subscription, message)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises has a verdict
            if not is_clash(error):
                return self._end(message, verdict_on(error, 1), error)
            self._session.expunge_all()
            return Verdict(PENDING)
        return self._end(message, Verdict(DONE))


async def _look(
    driver: AsyncConnection[Any], messages: Sequence[Message]
) -> tuple[set[tuple[str, UUID]], dict[str, set[str] | None]]:
    """The keys of the messages that are stored already, and the subjects with something waiting, by consumer; None
    for a consumer that is far behind with all."""
    values = {
        "lock": f"{LOCK_MILLISECONDS}ms",
        "consumers": [message.consumer for message in messages],
        "events": [message.event_id for message in messages],
        "subjects": [message.subject for message in messages],
        "distinct": sorted({message.consumer for message in messages}),
        "backlog": BACKLOG_ROWS,
    }
    rows = await (await driver.execute(_LOOK, values)).fetchall()
    known = {(consumer, UUID(value)) for found, consumer, value in rows if found == "known"}
    waiting: dict[str, list[str]] = {}
    for found, consumer, subject in rows:
        if found == "busy":
            waiting.setdefault(consumer, []).append(subject)
    return known, {name: None if len(listed) >= BACKLOG_ROWS else set(listed) for name, listed in waiting.items()}
