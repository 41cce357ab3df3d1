# ruff: noqa: ASYNC110 - the end of a disconnect can only be polled for.
"""Jobs as they happen: what a stream tells, where it goes on after a cut, and when it ends."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest_asyncio

from services.jobs.queue import Queue
from shared.contracts.accounts import SessionRevoked
from shared.identity import IDENTITY_HEADER
from tests.support.callers import identity_token
from tests.support.jobs import claimed, grant_plan, ordered, served, settle, someone
from tests.support.loopback import read_events


@pytest_asyncio.fixture
async def base(svc):
    async with served(svc) as url:
        yield url


@asynccontextmanager
async def listening(base, user_id, path, *, last=None, sid=None):
    """An open stream; yields a function that gives the next event."""
    headers = {IDENTITY_HEADER: identity_token("jobs", user_id, **({"sid": str(sid)} if sid else {}))}
    if last:
        headers["Last-Event-ID"] = last
    async with (
        httpx.AsyncClient(base_url=base, timeout=10) as client,
        client.stream("GET", path, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        events = read_events(answer)

        async def following():
            return await asyncio.wait_for(anext(events, None), 8)

        yield following


async def beat(svc, held, percent, stage="drawing"):
    await Queue(svc.runtime.database).heartbeat(held, lease=60, progress=percent, stage=stage, now=svc.clock.now())
    svc.runtime.parts.wakeups.ring("change")


async def test_a_stream_tells_the_whole_life_of_a_job_and_ends(svc, client, user_id, base):
    job = await ordered(client)
    async with listening(base, user_id, f"/v1/jobs/{job['id']}/events") as following:
        name, mark, data = await following()
        assert (name, mark, data["status"]) == ("job.snapshot", f"{job['id']}:1", "PENDING")
        held = await claimed(svc)
        svc.runtime.parts.wakeups.ring("change")
        name, _, data = await following()
        assert (name, data["attempt"]) == ("job.started", 1)
        for percent in (30, 60):
            await beat(svc, held, percent)
            name, _, data = await following()
            assert (name, data["progress"], data["stage"]) == ("job.progress", percent, "drawing")
        await settle(svc, held)
        name, mark, data = await following()
        assert (name, data["status"], data["progress"]) == ("job.completed", "COMPLETED", 100)
        assert mark == f"{job['id']}:{data['version']}"
        assert await following() is None


async def test_a_job_that_is_over_before_anyone_looks_is_still_told_in_order(svc, client, user_id, base):
    job = await ordered(client)
    async with listening(base, user_id, f"/v1/jobs/{job['id']}/events") as following:
        await following()
        await settle(svc, await claimed(svc))
        svc.runtime.parts.wakeups.ring("change")
        names = [(await following())[0], (await following())[0]]
        assert names == ["job.started", "job.completed"]


async def test_a_reader_who_knows_the_end_is_told_not_to_come_back(svc, client, user_id, base):
    job = await ordered(client)
    path = f"/v1/jobs/{job['id']}/events"
    await settle(svc, await claimed(svc), "FAILED", code="INTERNAL")
    async with listening(base, user_id, path, last=f"{job['id']}:1") as following:
        first, second = await following(), await following()
        assert (first[0], second[0]) == ("job.snapshot", "job.failed")
        assert await following() is None
    answer = await client.get(path, headers={"Last-Event-ID": second[1]})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_one_stream_follows_all_jobs_and_goes_on_after_a_cut(svc, client, user_id, base):
    await grant_plan(svc, user_id)
    first = await ordered(client)
    async with listening(base, user_id, "/v1/jobs/events") as following:
        assert (await following())[2]["id"] == first["id"]
        second = await ordered(client)
        name, mark, data = await following()
        assert (name, data["id"]) == ("job.snapshot", second["id"])
    await settle(svc, await claimed(svc))
    await settle(svc, await claimed(svc), "FAILED", code="INTERNAL")
    async with listening(base, user_id, "/v1/jobs/events", last=mark) as following:
        told = [await following() for _ in range(4)]
        ends = {(name, data["id"]) for name, _, data in told if name != "job.snapshot"}
        assert ends == {("job.completed", first["id"]), ("job.failed", second["id"])}


async def test_nobody_hears_of_other_people_s_jobs(svc, user_id, base):
    async with listening(base, user_id, "/v1/jobs/events") as following, svc.client(someone()) as stranger:
        await ordered(stranger)
        async with svc.client(user_id) as mine:
            job = await ordered(mine)
        assert (await following())[2]["id"] == job["id"]


async def test_a_revoked_session_s_streams_end_and_others_stay(svc, user_id, base):
    revoked, other = someone(), someone()
    async with (
        listening(base, user_id, "/v1/jobs/events", sid=revoked) as ending,
        listening(base, user_id, "/v1/jobs/events", sid=other) as staying,
    ):
        await asyncio.sleep(1.1)  # The order must be newer than the second in which the token was made.
        await svc.receive(SessionRevoked(user_id=user_id, session_ids=[revoked]), sequence=4)
        assert await ending() is None
        async with svc.client(user_id) as client:
            job = await ordered(client)
        assert (await staying())[2]["id"] == job["id"]


async def test_a_disconnect_is_not_a_cancel(svc, client, user_id, base):
    job = await ordered(client)
    async with listening(base, user_id, f"/v1/jobs/{job['id']}/events") as following:
        await following()
    held = await claimed(svc)
    assert await settle(svc, held) == "COMPLETED"
    async with asyncio.timeout(5):
        while svc.runtime.parts.feed._watches:
            await asyncio.sleep(0.05)


async def test_many_silent_readers_cost_one_pair_of_queries_a_round(svc, client, user_id, base):
    """Readers that never read must not slow those that do."""
    job = await ordered(client)
    path = f"/v1/jobs/{job['id']}/events"
    async with asyncio.TaskGroup() as group:
        stop = asyncio.Event()

        async def sleeper():
            async with listening(base, user_id, path):
                await stop.wait()

        for _ in range(30):
            group.create_task(sleeper())
        async with listening(base, user_id, path) as following:
            await following()
            await settle(svc, await claimed(svc))
            svc.runtime.parts.wakeups.ring("change")
            assert [(await following())[0] for _ in range(2)] == ["job.started", "job.completed"]
        stop.set()
