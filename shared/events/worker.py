"""Working the inbox off: each claimed message in one transaction with its effect, its follow-up events and its mark."""

import asyncio
import time
from typing import TYPE_CHECKING

from shared.events.handling import driver_of, handle, is_clash, report
from shared.events.inbox import LEASE_SECONDS, Inbox, Message, mark_done
from shared.events.verdicts import DONE, MAX_ATTEMPTS, PARKED, Verdict, too_many_crashes, verdict_on
from shared.logging import get_logger

if TYPE_CHECKING:
    from shared.runtime import Runtime

IMMEDIATE_TRIES = 3
# Handlers at work at once in one process, so that requests keep most of the connections.
CONCURRENT_HANDLERS = 3

log = get_logger(__name__)


class LeaseLost(Exception):
    """Another worker took the event over while we were slow; our effect must not land."""


class Worker:
    """Works one service's inbox off. After `stopping` is set, what is claimed and not begun goes back untouched."""

    def __init__(self, runtime: "Runtime", inbox: Inbox) -> None:
        self._runtime, self._inbox = runtime, inbox
        self._slots = asyncio.Semaphore(CONCURRENT_HANDLERS)
        self.stopping = False
        self.lease_seconds = LEASE_SECONDS

    async def work(self, consumer: str) -> int:
        """Claim and handle one batch of a consumer; returns how many messages it had in hand."""
        messages = await self._inbox.claim(consumer, lease=self.lease_seconds)
        renewed_at, untouched, stuck = time.monotonic(), list[Message](), set[str]()
        for position, message in enumerate(messages):
            if self.stopping or message.subject in stuck:
                untouched.append(message)
                continue
            if time.monotonic() - renewed_at > self.lease_seconds / 2:
                await self._inbox.renew(messages[position:], lease=self.lease_seconds)
                renewed_at = time.monotonic()
            async with self._slots:
                if not await self._settle(message):
                    stuck.add(message.subject)
        await self._inbox.release(untouched)
        return len(messages) - len(untouched)

    async def _settle(self, message: Message) -> bool:
        """Bring one message to a verdict. Returns whether later events of its subject may follow."""
        try:
            verdict = await self._verdict(message)
        except LeaseLost:
            log.warning("lease_lost", consumer=message.consumer, event_id=str(message.event_id))
            return False
        if verdict.status != DONE:
            await self._inbox.settle(message, verdict)
        return verdict.lets_pass(self._inbox.modes[message.consumer])

    async def _verdict(self, message: Message) -> Verdict:
        verdict, cause = self._inbox.initial_verdict(message), None
        if message.attempts > MAX_ATTEMPTS:
            verdict = too_many_crashes(message.attempts)
        if verdict.status != PARKED:
            try:
                await self._try(message)
                verdict = Verdict(DONE)
            except LeaseLost:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a handler raises has a verdict
                verdict, cause = verdict_on(error, message.attempts), error
        report(message, verdict, cause)
        return verdict

    async def _try(self, message: Message) -> None:
        for last in (*[False] * (IMMEDIATE_TRIES - 1), True):
            try:
                return await self._handle(message)
            except Exception as error:
                if last or not is_clash(error):
                    raise

    async def _handle(self, message: Message) -> None:
        subscription = self._inbox.subscription_of(message)
        async with self._runtime.database.write() as session:
            await handle(self._runtime, session, subscription, message)
            if not await mark_done(await driver_of(session), message):
                raise LeaseLost
