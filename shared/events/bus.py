"""One service's side of the bus: its relay, its inbox and its workers, started and stopped together."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import psycopg

from shared.events import metrics
from shared.events.event import Subscription
from shared.events.inbox import Inbox
from shared.events.relay import Relay
from shared.events.worker import Worker
from shared.logging import get_logger

if TYPE_CHECKING:
    from shared.runtime import Runtime

FASTEST_POLL_SECONDS = 0.05
SLOWEST_POLL_SECONDS = 0.5
STOP_SECONDS = 20
CHANNEL = "atelier_outbox"

log = get_logger(__name__)


class Bus:
    """`start` runs what the process's roles ask for; `drain` does the same work step by step for tests."""

    def __init__(self, runtime: "Runtime", subscriptions: Sequence[Subscription]) -> None:
        self._runtime, self._database = runtime, runtime.database
        self.inbox = Inbox(runtime.database, runtime.service, subscriptions)
        self._relay = Relay(runtime.database, runtime.service, runtime.transport)
        self._worker = Worker(runtime, self.inbox)
        self._outbox_filled, self._inbox_filled = asyncio.Event(), asyncio.Event()
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *, relay: bool, workers: bool) -> None:
        self._database.after_commit(self._outbox_filled.set)
        self.inbox.on_stored = self._inbox_filled.set
        if relay:
            self._spawn(self._poll(self._relay.run_once, self._outbox_filled), "relay")
            self._spawn(self._listen(), "listen")
        else:
            self._spawn(self._notify(), "notify")
        if workers:
            await self._runtime.transport.attach(self.inbox)
            self._spawn(self._poll(self._work_once, self._inbox_filled), "workers")

    async def stop(self) -> None:
        """Stop claiming, finish what is in hand, send what is left, and let go."""
        self._stopping.set()
        self._outbox_filled.set()
        self._inbox_filled.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._runtime.transport.detach(self.inbox)

    async def drain(self) -> int:
        """Relay and handle until nothing is due; returns how many steps did something."""
        steps = 0
        while await self._relay.run_once() + await self._work_once():
            steps += 1
        return steps

    async def measure(self) -> None:
        await metrics.measure(self._database, self._runtime.service)

    async def _work_once(self) -> int:
        due = await self.inbox.due_consumers()
        return sum(await asyncio.gather(*(self._worker.work(consumer) for consumer in due)))

    async def _poll(self, step: Callable[[], Awaitable[int]], filled: asyncio.Event) -> None:
        """Run `step` whenever there may be work: at once after a signal, and at a slowing pace without one."""
        pause = FASTEST_POLL_SECONDS
        while not self._stopping.is_set():
            filled.clear()
            try:
                worked = await step()
            except Exception:
                log.exception("bus_step_failed", service=self._runtime.service, step=step.__name__)
                worked = 0
                await asyncio.sleep(SLOWEST_POLL_SECONDS)
            if worked:
                pause = FASTEST_POLL_SECONDS
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(filled.wait(), pause)
            pause = min(pause * 2, SLOWEST_POLL_SECONDS)

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
                    while not self._stopping.is_set():
                        async for _ in connection.notifies(timeout=1, stop_after=1):
                            self._outbox_filled.set()
            except psycopg.Error as error:
                log.warning("listen_failed", service=self._runtime.service, error=type(error).__name__)
                await asyncio.sleep(1)

    def _spawn(self, work: Awaitable[None], name: str) -> None:
        async def run() -> None:
            await work

        self._tasks.append(asyncio.create_task(run(), name=f"{self._runtime.service}.{name}"))
