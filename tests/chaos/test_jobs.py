# ruff: noqa: ASYNC110, ASYNC240 - what happens in other processes can only be polled for.
"""Jobs when processes die: runners, their children, the database under them. Real processes, real signals."""

import asyncio
import os
import random
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from deploy.embedded.postgres import start_postgres
from services.jobs import operator
from services.jobs.queue import Queue
from services.jobs.runner.processes import session_members, start_ticks
from shared.clock import SystemClock
from tests.support.jobs import claim_many, grant_plan, jobs_service, ordered, settle, someone, until
from tests.support.postgres import SERVER_VARIABLE
from tests.support.processes import runner_process

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]


@asynccontextmanager
async def stage(tmp_path):
    """The service without a runner, on wall time, and a way to start runners beside it."""
    async with (
        jobs_service(clock=SystemClock(), extra_tools="tests.support.job_tools") as svc,
        AsyncExitStack() as stack,
    ):

        async def start():
            return await stack.enter_async_context(runner_process(svc, tmp_path))

        yield svc, start


async def pids(note: Path) -> tuple[int, int]:
    async with asyncio.timeout(30):
        while not note.exists() or len(note.read_text().split()) < 2:
            await asyncio.sleep(0.02)
    child, grandchild = note.read_text().split()
    return int(child), int(grandchild)


async def gone(*ids: int, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while any(start_ticks(pid) is not None for pid in ids):
            await asyncio.sleep(0.05)


def zygote_of(runner_pid: int) -> int:
    children = Path(f"/proc/{runner_pid}/task/{runner_pid}/children").read_text().split()
    return int(children[0])


async def test_a_runner_that_is_killed_takes_all_its_work_along_and_the_job_runs_again(tmp_path):
    note = tmp_path / "pids"
    async with stage(tmp_path) as (svc, start), svc.client(someone()) as client:
        runner = await start()
        job = await ordered(client, "render", options={"note": str(note)})
        child, ffmpeg = await pids(note)
        [left] = (tmp_path / "work").glob(f"*/{job['id']}-*")
        runner.kill()
        await gone(child, ffmpeg)
        note.unlink()
        await start()
        await pids(note)
        assert not left.exists()
        again = (await client.get(f"/v1/jobs/{job['id']}")).json()
        assert (again["status"], again["attempt"]) == ("PROCESSING", 2)
        await client.post(f"/v1/jobs/{job['id']}/cancel")
        assert (await until(client, job["id"]))["status"] == "CANCELLED"
        assert await operator.reconcile(svc.runtime) == []


async def test_when_everything_but_the_grandchild_is_killed_the_next_start_sweeps_it(tmp_path):
    note = tmp_path / "pids"
    async with stage(tmp_path) as (svc, start), svc.client(someone()) as client:
        runner = await start()
        job = await ordered(client, "grandchild", options={"note": str(note)})
        child, grandchild = await pids(note)
        zygote = zygote_of(runner.pid)
        # Frozen, it can't clean up; so all three die as in a power cut of the runner's own.
        os.kill(zygote, signal.SIGSTOP)
        runner.kill()
        await runner.wait()
        os.kill(zygote, signal.SIGKILL)
        await gone(zygote, child)
        assert session_members(child) == [grandchild]
        note.unlink()
        await start()
        await gone(grandchild)
        second, _ = await pids(note)
        assert second != child
        await client.post(f"/v1/jobs/{job['id']}/cancel")
        await until(client, job["id"])


async def test_a_frozen_runner_that_wakes_up_late_changes_nothing(tmp_path):
    async with stage(tmp_path) as (svc, start), svc.client(someone()) as client:
        frozen = await start()
        job = await ordered(client, "sleep", options={"seconds": 1.5})
        await until(client, job["id"], "PROCESSING")
        frozen.send_signal(signal.SIGSTOP)
        await start()
        done = await until(client, job["id"], seconds=30)
        assert (done["status"], done["attempt"]) == ("COMPLETED", 2)
        url = done["result"]["files"][0]["id"]
        frozen.send_signal(signal.SIGCONT)
        await asyncio.sleep(3)
        after = (await client.get(f"/v1/jobs/{job['id']}")).json()
        assert (after["version"], after["result"]["files"][0]["id"]) == (done["version"], url)
        assert len(await svc.published("job.completed")) == 1
        keys = await svc.runtime.storage.list(f"results/{job['id']}")
        assert {key.split("/")[2].split("-")[0] for key in keys} == {"2"}


async def test_a_rolling_restart_under_load_loses_nothing_and_burns_no_attempt(tmp_path):
    async with stage(tmp_path) as (svc, start):
        user_id = someone()
        await grant_plan(svc, user_id, max_running=10)
        async with svc.client(user_id) as client:
            jobs = [await ordered(client, "sleep", options={"seconds": 0.3}) for _ in range(25)]
            for _ in range(3):
                runner = await start()
                await asyncio.sleep(1)
                runner.terminate()
                assert await asyncio.wait_for(runner.wait(), 20) == 0
            await start()
            for job in jobs:
                assert (await until(client, job["id"], seconds=60))["status"] == "COMPLETED"
        rows = await svc.rows("SELECT count(*) AS n FROM job_attempts WHERE outcome IN ('LOST', 'CRASHED', 'RETRY')")
        assert rows == [{"n": 0}]
        assert len(await svc.published("job.completed")) == 25
        assert await operator.reconcile(svc.runtime) == []


class Storm:
    """Workers by hand that misbehave by chance: die, stall past their lease and write late, fail, or do their work."""

    def __init__(self, svc, seed):
        self.svc, self.chance = svc, random.Random(seed)
        self.lost = self.most = 0
        self.over = asyncio.Event()

    async def work(self):
        while not self.over.is_set():
            claims = await self.attempt(claim_many(self.svc, self.chance.choice((1, 1, 3)), lease=0.4))
            for held in claims or ():
                await self.end(held)
            if not claims:
                await asyncio.sleep(0.05)

    async def end(self, held):
        fate = self.chance.random()
        if fate < 0.06:
            return
        if fate < 0.12:
            await asyncio.sleep(0.9)
        outcome = "RETRY" if 0.12 <= fate < 0.2 else "COMPLETED"
        answer = await self.attempt(settle(self.svc, held, outcome, code="INTERNAL", delay=0))
        self.lost += answer == "LOST"

    async def reap(self):
        while not self.over.is_set():
            await self.attempt(Queue(self.svc.runtime.database).reap(self.svc.clock.now()))
            await asyncio.sleep(0.1)

    async def cancel(self, ids):
        for job_id in ids:
            await self.attempt(Queue(self.svc.runtime.database).cancel(job_id, by="user", now=self.svc.clock.now()))
            await asyncio.sleep(0.02)

    async def watch_limits(self):
        while not self.over.is_set():
            rows = await self.attempt(self.svc.rows("SELECT COALESCE(max(running), 0) AS n FROM tenant_lanes"))
            self.most = max(self.most, rows[0]["n"] if rows else 0)
            await asyncio.sleep(0.05)

    async def attempt(self, work):
        """The database may be away for a moment; a deadlock never may be."""
        try:
            return await work
        except psycopg.errors.DeadlockDetected:
            raise
        except psycopg.OperationalError:
            await asyncio.sleep(0.1)

    async def rage(self, cancelled, *, seconds=60):
        workers = [self.work() for _ in range(8)] + [self.reap(), self.reap(), self.watch_limits()]
        tasks = [asyncio.create_task(one) for one in [*workers, self.cancel(cancelled)]]
        async with asyncio.timeout(seconds):
            while True:
                rows = await self.attempt(self.svc.rows("SELECT count(*) AS n FROM job_queue"))
                if rows and rows[0]["n"] == 0:
                    break
                await asyncio.sleep(0.2)
        self.over.set()
        await asyncio.gather(*tasks)


async def crowd(svc, users, each):
    """Users with a webhook who order half of their jobs one by one and the other half as a batch."""
    ids = []
    for _ in range(users):
        user_id = someone()
        await grant_plan(svc, user_id, max_running=2)
        async with svc.client(user_id) as client:
            await client.post("/v1/webhook-endpoints", json={"url": "https://example.com/hooks"})
            batch = await client.post("/v1/jobs/batches", json={"items": [{"tool": "sleep"}] * (each // 2)})
            ids += [item["id"] for item in batch.json()["items"]]
            ids += [job["id"] for job in await asyncio.gather(*(ordered(client, "sleep") for _ in range(each // 2)))]
    return ids


async def half_done(svc, number):
    while (await svc.rows("SELECT count(*) AS n FROM job_queue"))[0]["n"] > number / 2:
        await asyncio.sleep(0.02)


async def each_ended_once(svc, ids):
    ends = [
        event["subject"]
        for kind in ("job.completed", "job.failed", "job.cancelled")
        for event in await svc.published(kind)
    ]
    assert sorted(ends) == sorted(f"job/{job_id}" for job_id in ids)
    batches = [event["subject"] for event in await svc.published("batch.completed")]
    assert len(batches) == len(set(batches)) == (await svc.rows("SELECT count(*) AS n FROM job_batches"))[0]["n"]
    told = await svc.rows("SELECT job_id::text, batch_id::text FROM webhook_deliveries")
    assert sorted(row["job_id"] for row in told if row["job_id"]) == sorted(ids)
    assert sorted(f"batch/{row['batch_id']}" for row in told if row["batch_id"]) == sorted(batches)
    statuses = await svc.rows("SELECT DISTINCT status FROM jobs WHERE status IN ('PENDING', 'PROCESSING')")
    assert statuses == []
    assert await operator.reconcile(svc.runtime) == []


async def test_every_accepted_job_ends_exactly_once_whatever_happens_to_its_workers(tmp_path):
    async with jobs_service(clock=SystemClock(), extra_tools="tests.support.job_tools", pool_size=10) as svc:
        ids = await crowd(svc, users=10, each=40)
        storm = Storm(svc, seed=4)
        await storm.rage(random.Random(7).sample(ids, 60))
        await each_ended_once(svc, ids)
        assert storm.lost > 0
        assert storm.most <= 2


async def test_a_database_that_restarts_under_load_loses_and_doubles_nothing(tmp_path, monkeypatch):
    server = start_postgres(tmp_path / "postgres")
    monkeypatch.setenv(SERVER_VARIABLE, server.url())
    try:
        async with jobs_service(clock=SystemClock(), extra_tools="tests.support.job_tools", pool_size=10) as svc:
            ids = await crowd(svc, users=6, each=30)
            raging = asyncio.create_task(Storm(svc, seed=5).rage([], seconds=90))
            await half_done(svc, len(ids))
            # SIGQUIT ends Postgres at once, without a checkpoint; it has to recover from its log.
            os.kill(server.pid, signal.SIGQUIT)
            while server.is_running():
                await asyncio.sleep(0.02)
            server = start_postgres(tmp_path / "postgres")
            assert server.url() == os.environ[SERVER_VARIABLE]
            await raging
            await each_ended_once(svc, ids)
    finally:
        server.stop()


async def test_several_runners_that_freeze_and_wake_at_random_finish_each_job_once(tmp_path):
    """SIGSTOP past the lease and SIGCONT in the middle of the others' work: zombies with a mind of their own."""
    chance = random.Random(11)
    async with stage(tmp_path) as (svc, start):
        user_id = someone()
        await grant_plan(svc, user_id, max_running=4)
        async with svc.client(user_id) as client:
            ids = [(await ordered(client, "sleep", options={"seconds": 0.4}))["id"] for _ in range(40)]
        runners = [await start() for _ in range(3)]
        async with asyncio.timeout(90):
            while (await svc.rows("SELECT count(*) AS n FROM job_queue"))[0]["n"]:
                frozen = chance.sample(runners, 2)
                for runner in frozen:
                    runner.send_signal(signal.SIGSTOP)
                await asyncio.sleep(chance.uniform(2.5, 3.5))
                for runner in frozen:
                    runner.send_signal(signal.SIGCONT)
                await asyncio.sleep(0.3)
        lost = await svc.rows("SELECT count(*) AS n FROM job_attempts WHERE outcome = 'LOST'")
        ends = [event["subject"] for event in await svc.published("job.completed")]
        assert sorted(ends) == sorted(f"job/{job_id}" for job_id in ids)
        assert lost[0]["n"] > 0
        kept = await svc.rows("SELECT key FROM files WHERE purpose = 'result'")
        async with asyncio.timeout(15):
            # A zombie sweeps up after itself when it learns that it lost.
            while set(await svc.runtime.storage.list("results/")) != {row["key"] for row in kept}:
                await asyncio.sleep(0.2)
        assert await operator.reconcile(svc.runtime) == []
