"""One job in hand: from the claim to the settlement, with its lease kept alive all the while."""

import asyncio
import random
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg_pool import PoolTimeout

from services.jobs import metrics
from services.jobs.catalogue import REMOTE, Catalogue
from services.jobs.pace import backoff_seconds
from services.jobs.providers.remote import RemoteWork
from services.jobs.providers.results import report_of
from services.jobs.queue import Claim, Outcome, Queue
from services.jobs.runner import orphans, outputs
from services.jobs.runner.workshop import Workshop, WorkshopGone
from services.jobs.settings import JobsSettings
from services.jobs.wakeups import Wakeups
from shared import ending
from shared.clock import Clock
from shared.logging import get_logger
from shared.storage import Storage

# Four reports a second are a film for the eye; more would only be writes.
FASTEST_REPORT_SECONDS = 0.25
SETTLE_RETRY_SECONDS = 0.5
SAID_BYTES = 4000

Verdict = Literal["CANCELLED", "LOST", "TIMEOUT", "STALLED", "RELEASE"]
DatabaseAway = (psycopg.OperationalError, PoolTimeout)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every attempt of a runner works with."""

    queue: Queue
    workshop: Workshop
    storage: Storage
    wakeups: Wakeups
    clock: Clock
    settings: JobsSettings
    folder: Path
    catalogue: Catalogue
    remote: RemoteWork
    # Work that no provider took is done here, without taking more of the machine than its own slots would.
    spare: asyncio.Semaphore


@dataclass
class Attempt:
    """`verdict` is why we stopped the work, None while it runs or when it ended by itself."""

    bench: Bench
    claim: Claim
    verdict: Verdict | None = None
    report: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, Any] = field(default_factory=dict)
    progress: int = 0
    stage: str = "starting"

    def __post_init__(self) -> None:
        self.key = str(self.claim.token)
        self.folder = self.bench.folder / f"{self.claim.job_id}-{self.key[:8]}"
        self.prefix = f"results/{self.claim.job_id}/{self.claim.attempt}-{self.key[:8]}"
        self._began = self._moved = self._heard = time.monotonic()
        settings, tool = self.bench.settings, self.claim.tool
        self._timeout = settings.tool_timeout_seconds.get(tool, settings.timeout_seconds)
        self._stall = settings.tool_stall_seconds.get(tool, settings.stall_seconds)
        if self.claim.lane == REMOTE:
            # A provider tells nothing while it works; only the time limit counts.
            self._stall = self._timeout
        self._remote: asyncio.Task[dict[str, Any] | None] | None = None
        self._over, self._changed = asyncio.Event(), asyncio.Event()
        self._beating = asyncio.Lock()
        self._cancels_heard = self.bench.wakeups.cancel.count
        self._ending_work: asyncio.Task[None] | None = None

    async def run(self) -> str:
        """Work the job and settle it; returns what became of it, or LOST."""
        keeper = asyncio.create_task(self._keep_lease())
        try:
            await self._work()
            outcome = await self._settle()
            metrics.record(self.claim.tool, outcome, time.monotonic() - self._began)
            return outcome
        finally:
            async with self._beating:
                # Cut off in the middle of a heartbeat, its connection would have to be thrown away.
                keeper.cancel()
            await ending.end([keeper])
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def _work(self) -> None:
        await asyncio.to_thread((self.folder / "out").mkdir, parents=True)
        inputs = await outputs.fetch_inputs(self.bench.storage, self.claim.inputs, self.folder)
        if len(inputs) < len(self.claim.input_ids):
            self.report = {"event": "refused", "code": "INVALID_INPUT", "message": "An input file is no longer there."}
            return
        if self.verdict is not None:
            # Called off while its inputs came: nothing runs yet that a signal could have reached.
            return
        if self.claim.lane != REMOTE:
            await self._work_here(inputs)
        elif not await self._work_elsewhere():
            async with self.bench.spare:
                self.report = {"engine": self.bench.catalogue.local_engine_of(self.claim.tool)}
                await self._work_here(inputs)

    async def _work_here(self, inputs: list[dict[str, Any]]) -> None:
        try:
            await self.bench.workshop.start(self._order(inputs), self._hear)
        except WorkshopGone:
            self.verdict = "RELEASE"
            return
        await self._over.wait()

    async def _work_elsewhere(self) -> bool:
        """Let a provider do it. Returns whether that ended the work, one way or another."""
        bench, seconds = self.bench, self.bench.settings.probe_seconds
        work = report_of(bench.remote, self.claim, self.folder, self._hear_of, probe_seconds=seconds)
        self._remote = asyncio.create_task(work)
        try:
            await asyncio.wait([self._remote])
        finally:
            await ending.end([self._remote])
        if self._remote.cancelled():
            if self.verdict in {"CANCELLED", "TIMEOUT"}:
                await bench.remote.cancel(self.claim)
            return True
        report = self._remote.result()
        self._remote = None
        self.report = report or {}
        return report is not None

    def _hear_of(self, stage: str) -> None:
        self._move(max(self.progress, 10), stage)

    def _order(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        settings = self.bench.settings
        return {
            "key": self.key,
            "tool": self.claim.tool,
            "prompt": self.claim.prompt,
            "options": self.claim.options,
            "seed": self.claim.seed,
            "inputs": inputs,
            "folder": str(self.folder),
            "limits": {
                "memory_mb": settings.memory_limit_mb,
                "file_mb": settings.output_limit_mb,
                "cpu_seconds": int(self._timeout * 4) + 1,
            },
        }

    def _hear(self, message: dict[str, Any]) -> None:
        match message["event"]:
            case "started":
                orphans.record_child(self.folder, message["pid"], message["start_ticks"])
            case "progress":
                self._move(message["percent"], message["stage"])
            case "ended":
                self.ended = message
                self._over.set()
            case _:
                self.report = {**self.report, **message}

    def _move(self, percent: int, stage: str) -> None:
        if percent > self.progress or stage != self.stage:
            self.progress, self.stage, self._moved = max(percent, self.progress), stage, time.monotonic()
            self._changed.set()

    async def stop(self, verdict: Verdict) -> None:
        """End the work: politely first, and for good after a few seconds. The first reason stands."""
        if self.verdict is None:
            self.verdict = verdict
            self._ending_work = asyncio.create_task(self._terminate())

    async def _terminate(self) -> None:
        if self._remote is not None:
            self._remote.cancel()
            return
        await self.bench.workshop.signal(self.key, signal.SIGTERM)
        try:
            await asyncio.wait_for(self._over.wait(), self.bench.settings.kill_after_seconds)
        except TimeoutError:
            await self.bench.workshop.signal(self.key, signal.SIGKILL)

    async def _keep_lease(self) -> None:
        """Report and renew until the attempt is settled; watch for calls to stop, stalls and time-outs meanwhile."""
        cancels, heard = self.bench.wakeups.cancel, self._cancels_heard
        while True:
            pause = self.bench.settings.heartbeat_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            await self._wait_for_news(heard, min(pause, self._next_check()))
            heard = cancels.count
            self._changed.clear()
            async with self._beating:
                await self._beat()
            await self._check_times()
            await asyncio.sleep(FASTEST_REPORT_SECONDS)

    async def _wait_for_news(self, heard: int, pause: float) -> None:
        """Until there is progress to report, somebody called something off, or `pause` is over."""
        awaited = (self._changed.wait(), self.bench.wakeups.cancel.wait(heard, pause))
        news: list[asyncio.Task[Any]] = [asyncio.create_task(one, name=f"news.{self.claim.job_id}") for one in awaited]
        try:
            await asyncio.wait(news, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Without waiting for their ends: a second cancellation would come in between, and leave them for ever.
            for task in news:
                task.cancel()

    async def _beat(self) -> None:
        bench = self.bench
        try:
            answer = await bench.queue.heartbeat(
                self.claim,
                lease=bench.settings.lease_seconds,
                progress=self.progress,
                stage=self.stage,
                now=bench.clock.now(),
            )
        except DatabaseAway:
            if time.monotonic() - self._heard > bench.settings.lost_after_seconds:
                await self.stop("LOST")
            return
        self._heard = time.monotonic()
        if answer == "lost":
            await self.stop("LOST")
        elif answer == "cancel":
            await self.stop("CANCELLED")
        bench.wakeups.ring("change")

    async def _check_times(self) -> None:
        if self._over.is_set():
            return
        now = time.monotonic()
        if now - self._began > self._timeout:
            await self.stop("TIMEOUT")
        elif now - self._moved > self._stall:
            await self.stop("STALLED")

    def _next_check(self) -> float:
        """Seconds until the work could stall or run out of time."""
        limits = (self._began + self._timeout, self._moved + self._stall)
        return max(FASTEST_REPORT_SECONDS, min(limits) - time.monotonic())

    async def _settle(self) -> str:
        if self.verdict == "LOST":
            return "LOST"
        outcome, end = await self._ending()
        if outcome in ("RETRY", "CRASHED"):
            # What the engine printed may quote the creator, so it stays in the database: job_attempts.detail.
            log.warning("attempt_failed", job=str(self.claim.job_id), attempt=self.claim.attempt, code=end["code"])
        answer = await self._write_ending(outcome, end)
        if answer == "LOST":
            log.warning("attempt_lost", job=str(self.claim.job_id), attempt=self.claim.attempt)
            await outputs.discard(self.bench.storage, self.prefix)
        self.bench.wakeups.ring("change", "work")
        return answer

    async def _ending(self) -> tuple[Outcome, dict[str, Any]]:
        """What to tell the queue: the outcome, and what goes with it."""
        used = {name: self.ended.get(name) for name in ("cpu_seconds", "max_rss_mb")}
        measured = {**used, "run_seconds": round(time.monotonic() - self._began, 3), "detail": self._said()}
        if self.verdict is not None:
            return self._stopped(measured)
        match self.report.get("event"):
            case "result":
                made = await outputs.store(self.bench.storage, self.prefix, self.report["files"])
                url = f"/v1/jobs/{self.claim.job_id}/result"
                result = {"files": made, "data": self.report["data"], "units": self.report["units"], "url": url}
                return "COMPLETED", {**measured, **result}
            case "refused":
                return "FAILED", {**measured, "code": self.report["code"], "message": self.report["message"]}
            case "failed":
                return "RETRY", {**measured, **self._failure(self.report)}
        if self.ended.get("code") is None:
            # Our own warm parent died and took the child along: not the job's fault.
            return "RELEASE", {**measured, "delay": 0}
        message = "The engine stopped working on this again and again."
        return "CRASHED", {**measured, "code": "ENGINE_FAILED", "message": message, "delay": 0}

    def _stopped(self, measured: dict[str, Any]) -> tuple[Outcome, dict[str, Any]]:
        if self.verdict == "CANCELLED":
            return "CANCELLED", measured
        if self.verdict == "RELEASE":
            return "RELEASE", {**measured, "delay": 0}
        message = "The work took too long." if self.verdict == "TIMEOUT" else "The work did not get on any more."
        return "RETRY", {**measured, **self._failure({"code": self.verdict, "message": message})}

    def _failure(self, report: dict[str, Any]) -> dict[str, Any]:
        chance = random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        backoff = backoff_seconds(self.bench.settings.retry_base_seconds, self.claim.attempt) * chance
        asked = report.get("retry_after")
        return {"code": report["code"], "message": report["message"], "delay": backoff if asked is None else asked}

    def _said(self) -> str | None:
        """The tail of what the child printed: for staff, never for users."""
        try:
            return (self.folder / "said.txt").read_bytes()[-SAID_BYTES:].decode(errors="replace").replace("\0", "")
        except OSError:
            return None

    async def _write_ending(self, outcome: Outcome, end: dict[str, Any]) -> str:
        """Settle, through an outage of the database shorter than the lease."""
        deadline = time.monotonic() + self.bench.settings.lost_after_seconds
        while True:
            try:
                engine, now = self.report.get("engine"), self.bench.clock.now()
                return await self.bench.queue.settle(self.claim, outcome, end, now=now, engine=engine)
            except DatabaseAway:
                if time.monotonic() > deadline:
                    return "LOST"
                await asyncio.sleep(SETTLE_RETRY_SECONDS)
