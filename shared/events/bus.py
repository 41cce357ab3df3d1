"""One service's side of the bus: its relay, its inbox and its workers, started and stopped together."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from shared.ending import end
from shared.events import metrics, retention
from shared.events.event import Subscription
from shared.events.inbox import Inbox
from shared.events.intake import Intake
from shared.events.relay import Relay
from shared.events.worker import Worker
from shared.logging import get_logger

if TYPE_CHECKING:
    from shared.runtime import Runtime

FASTEST_POLL_SECONDS = 0.05
SLOWEST_POLL_SECONDS = 0.5
STOP_SECONDS = 20
RETENTION_SECONDS = 3600
CHANNEL = "atelier_outbox"

log = get_logger(__name__)


class Bus:
    """`start` runs what the process's roles ask for; `drain` does the same work step by step for tests."""

    def __init__(self, runtime: "Runtime", subscriptions: Sequence[Subscription]) -> None:
        self._runtime, self._database = runtime, runtime.database
        self.inbox = Inbox(runtime.database, runtime.service, subscriptions)
        self.worker = Worker(runtime, self.inbox)
        self._intake = Intake(runtime, self.inbox)
        self._relay = Relay(runtime.database, runtime.service, runtime.transport)
        self._outbox_filled, self._inbox_filled = asyncio.Event(), asyncio.Event()
        self._stopping = asyncio.Event()
        self._steady: list[asyncio.Task[None]] = []
        self._listening: list[asyncio.Task[None]] = []
        self._at_work: dict[str, asyncio.Task[None]] = {}

    async def start(self, *, relay: bool, workers: bool) -> None:
        self._database.after_commit(self._outbox_filled.set)
        self.inbox.on_stored = self._inbox_filled.set
        if relay:
            self._steady.append(self._task(self._poll(self._relay.run_once, self._outbox_filled), "relay"))
            self._listening.append(self._task(self._listen(), "listen"))
        else:
            self._listening.append(self._task(self._notify(), "notify"))
        if workers:
            await self._runtime.transport.attach(self._intake)
            self._steady.append(self._task(self._poll(self._dispatch, self._inbox_filled), "workers"))
            self._listening.append(self._task(self._retain(), "retention"))

    async def stop(self) -> None:
        """Stop claiming, finish what is in hand, give back the rest, stop taking in, send what is left, let go."""
        self._stopping.set()
        self.worker.stopping = self._intake.stopping = True
        self._outbox_filled.set()
        self._inbox_filled.set()
        await end([*self._steady, *self._at_work.values()], patience=STOP_SECONDS)
        await self._runtime.transport.detach(self._intake)
        await end(self._listening)
        if self._steady:
            await self._send_rest()

    async def drain(self) -> int:
        """Relay and handle until nothing is due; returns how many steps did something."""
        steps = 0
        while await self._relay.run_once() + await self._work_once():
            steps += 1
        return steps

    async def measure(self) -> None:
        await metrics.measure(self._database, self._runtime.service, self.inbox.consumers)

    async def _work_once(self) -> int:
        due = await self.inbox.due_consumers()
        return sum(await asyncio.gather(*(self.worker.work(consumer) for consumer in due)))

    async def _dispatch(self) -> int:
        """Put every consumer to work that is due and not at work; a slow one keeps no other waiting."""
        for consumer in await self.inbox.due_consumers():
            if consumer not in self._at_work and not self._stopping.is_set():
                self._at_work[consumer] = self._task(self._work(consumer), consumer)
        return 0

    async def _work(self, consumer: str) -> None:
        try:
            if await self.worker.work(consumer):
                self._inbox_filled.set()
        except Exception:
            log.exception("worker_failed", consumer=consumer)
        finally:
            del self._at_work[consumer]

    async def _poll(self, step: Callable[[], Awaitable[int]], filled: asyncio.Event) -> None:
        """Run `step` whenever there may be work: at once after a signal, and at a slowing pace without one."""
        pause = FASTEST_POLL_SECONDS
        while not self._stopping.is_set():
            filled.clear()
            try:
                if await step():
                    pause = FASTEST_POLL_SECONDS
                    continue
            except Exception:
                log.exception("bus_step_failed", service=self._runtime.service, step=step.__name__)
                pause = SLOWEST_POLL_SECONDS
            try:
                await asyncio.wait_for(filled.wait(), pause)
                pause = FASTEST_POLL_SECONDS
            except TimeoutError:
                pause = min(pause * 2, SLOWEST_POLL_SECONDS)

    async def _send_rest(self) -> None:
        """What the last handlers published should not wait for the next start."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                while await self._relay.run_once():
                    pass
        except Exception as error:  # noqa: BLE001 - what is not sent now is sent after the next start
            log.warning("outbox_not_empty", service=self._runtime.service, error=type(error).__name__)

    async def _notify(self) -> None:
        """Wake the relay in another process. Outside any domain transaction, since NOTIFY serialises commits, and one
        for all commits that came meanwhile."""
        while not self._stopping.is_set():
            await self._outbox_filled.wait()
            self._outbox_filled.clear()
            if self._stopping.is_set():
                return
            try:
                async with self._database.pool.connection() as connection:
                    await connection.execute(f"NOTIFY {CHANNEL}".encode())
            except Exception as error:  # noqa: BLE001 - the relay polls as well
                log.warning("notify_failed", service=self._runtime.service, error=type(error).__name__)

    async def _listen(self) -> None:
        """Hear what other processes of this service committed."""
        while not self._stopping.is_set():
            try:
                async with await psycopg.AsyncConnection.connect(self._database.url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    async for _ in connection.notifies():
                        self._outbox_filled.set()
            except psycopg.Error as error:
                log.warning("listen_failed", service=self._runtime.service, error=type(error).__name__)
            await asyncio.sleep(1)

    async def _retain(self) -> None:
        """Remove what is past its time, under load too: a clean-up that waits for quiet never runs."""
        while not self._stopping.is_set():
            try:
                await retention.remove_expired(self._database)
            except Exception as error:  # noqa: BLE001 - the next hour tries again
                log.warning("retention_failed", service=self._runtime.service, error=type(error).__name__)
            await asyncio.sleep(RETENTION_SECONDS)

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=f"{self._runtime.service}.{name}")
