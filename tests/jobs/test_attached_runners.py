"""Runners elsewhere: the same leases over HTTP, and nothing for anybody who holds none."""

import asyncio
import hashlib
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from services.jobs import operator
from services.jobs.engines import extras
from services.jobs.queue import Queue
from services.jobs.tasks import sweep_files
from shared.identity import IDENTITY_HEADER
from tests.support import loopback
from tests.support.callers import identity_token
from tests.support.jobs import grant_plan, jobs_service, ordered, picture, someone, until, upload

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/runner.py"
LOST = {"job_id": "01890000-0000-7000-8000-000000000000", "token": "01890000-0000-4000-8000-000000000000"}


def runner_of(svc, *tools, key="key-one"):
    return svc.client(someone(), scopes=["runner"], kid=key, tools=list(tools), sid=None)


@pytest_asyncio.fixture
async def creator(svc):
    user_id = someone()
    await grant_plan(svc, user_id, max_running=50, limits={"voiceover_seconds": 100})
    async with svc.client(user_id) as client:
        yield client


@pytest_asyncio.fixture
async def box(svc):
    async with runner_of(svc) as client:
        yield client


@pytest.fixture
def bare_host(tmp_path, monkeypatch):
    """A host on which the engines' packages never arrive."""
    monkeypatch.setenv(extras.FOLDER_VARIABLE, str(tmp_path))


async def claim(runner, *tools, worker="box-1", **more):
    answer = await runner.post("/v1/runner/claim", json={"tools": tools or ["sleep"], "worker_id": worker, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["jobs"]


def held(job):
    return {"job_id": job["job_id"], "token": job["token"]}


async def beat(runner, job, progress=10, stage="rendering"):
    body = {**held(job), "progress": progress, "stage": stage}
    return (await runner.post("/v1/runner/heartbeat", json=body)).json()["answer"]


async def settle(runner, job, outcome="COMPLETED", **more):
    return await runner.post("/v1/runner/settle", json={**held(job), "outcome": outcome, **more})


async def outcome_of(runner, job, *args, **more):
    answer = await settle(runner, job, *args, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()["outcome"]


async def send(runner, job, content=b"made elsewhere", name="made.txt"):
    body = {**held(job), "name": name, "content_type": "text/plain", "size": len(content)}
    place = (await runner.post("/v1/runner/outputs", json=body)).json()
    assert (await runner.put(place["url"], content=content)).status_code == 204
    return place


async def test_a_runner_elsewhere_works_a_job_from_claim_to_result(svc, creator, box):
    photo = await upload(creator, picture())
    order = await ordered(creator, "sleep", input_files=[photo], seed=7)
    [job] = await claim(box)
    asked = ("sleep", "ai", "top | bottom", 7)
    assert (job["tool"], job["family"], job["prompt"], job["seed"]) == asked
    assert (job["job_id"], job["lease_seconds"]) == (order["id"], 60)
    assert (await box.get(job["inputs"][0]["url"])).content == picture()
    assert await beat(box, job, 40, "rendering") == "ok"
    seen = (await creator.get(f"/v1/jobs/{order['id']}")).json()
    assert (seen["status"], seen["progress"], seen["stage"]) == ("PROCESSING", 40, "rendering")
    place = await send(box, job)
    made = [{"file_id": place["file_id"], "kind": "text", "duration": 1.5}]
    engine = {"provider": "gpu-box", "version": "sd-3"}
    assert (
        await outcome_of(box, job, files=made, data={"note": 1}, units={"ai_generations": 1}, engine=engine)
        == "COMPLETED"
    )
    done = (await creator.get(f"/v1/jobs/{order['id']}")).json()
    [file] = done["result"]["files"]
    assert (done["engine"], done["result"]["data"], done["usage"]) == (engine, {"note": 1}, {"ai_generations": 1})
    assert (file["name"], file["bytes"], file["duration"]) == ("made.txt", 14, 1.5)
    assert file["sha256"] == hashlib.sha256(b"made elsewhere").hexdigest()
    assert (await creator.get(file["url"])).content == b"made elsewhere"
    [event] = await svc.published("job.completed")
    assert event["data"]["engine"] == "gpu-box/sd-3"
    assert await svc.rows("SELECT * FROM runner_outputs") == []
    assert await operator.reconcile(svc.runtime) == []


async def test_only_a_runner_key_may_work(svc, creator):
    body = {"tools": ["sleep"], "worker_id": "box-1"}
    async with svc.admin(someone()) as admin, svc.client(someone(), scopes=["jobs:write"], kid="other") as other:
        for nobody in (creator, admin, other):
            assert (await nobody.post("/v1/runner/claim", json=body)).status_code == 403
    async with svc.client() as anonymous:
        assert (await anonymous.post("/v1/runner/claim", json=body)).status_code == 401


async def test_a_key_for_some_tools_claims_no_others(svc, creator):
    await ordered(creator, "sleep")
    async with runner_of(svc, "memes") as narrow:
        refused = await narrow.post("/v1/runner/claim", json={"tools": ["memes", "sleep"], "worker_id": "b"})
        assert (refused.status_code, refused.json()["code"]) == (403, "tool_not_granted")
        assert await claim(narrow, "memes") == []


async def test_what_only_a_runner_elsewhere_can_do_is_available_while_it_is_there(svc, creator, box, bare_host):
    async def shown(tool):
        tools = (await creator.get("/v1/tools")).json()["items"]
        return next((one["available"], one["engines"][0]["available"]) for one in tools if one["id"] == tool)

    order = {"tool": "voiceover", "prompt": "Said elsewhere."}
    refused = await creator.post("/v1/ai/jobs", json=order)
    assert (refused.status_code, refused.json()["code"], await shown("voiceover")) == (
        422, "tool_unavailable", (False, False),
    )  # fmt: skip
    assert await claim(box, "voiceover") == []
    assert (await shown("voiceover"), await shown("reels")) == ((True, True), (False, False))
    assert (await creator.post("/v1/ai/jobs", json=order)).status_code == 202
    assert (await creator.post("/v1/jobs/batches", json={"items": [order]})).status_code == 202
    jobs = await claim(box, "voiceover", max=2)
    assert [job["tool"] for job in jobs] == ["voiceover", "voiceover"]
    assert [await outcome_of(box, job) for job in jobs] == ["COMPLETED", "COMPLETED"]
    await svc.rows("UPDATE workers SET seen_at = now() - interval '2 minutes' RETURNING 1")
    assert await shown("voiceover") == (False, False)
    assert (await creator.post("/v1/ai/jobs", json=order)).status_code == 422


async def test_a_job_of_another_key_is_lost_to_this_one_even_with_its_token(svc, creator, box):
    await ordered(creator, "sleep")
    [job] = await claim(box)
    async with runner_of(svc, key="key-two") as thief:
        assert await beat(thief, job) == "lost"
        body = {**held(job), "name": "x", "content_type": "text/plain", "size": 1}
        refused = await thief.post("/v1/runner/outputs", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "lease_lost")
        assert await outcome_of(thief, job) == "LOST"
        assert await outcome_of(thief, {**job, **LOST}) == "LOST"
    assert await beat(box, job) == "ok"
    assert await outcome_of(box, job) == "COMPLETED"


async def test_a_runner_that_lost_its_lease_can_neither_send_nor_settle(svc, creator, box):
    order = await ordered(creator, "sleep")
    [late] = await claim(box)
    place = await send(box, late)
    await svc.rows("UPDATE job_queue SET lease_until = now() - interval '1 second' RETURNING 1")
    await Queue(svc.runtime.database).reap(svc.clock.now())
    [job] = await claim(box, worker="box-2")
    assert job["token"] != late["token"]
    assert await beat(box, late) == "lost"
    assert (await box.put(place["url"], content=b"too late, sorry")).status_code == 404
    stolen = await settle(box, job, files=[{"file_id": place["file_id"], "kind": "text"}])
    assert (stolen.status_code, stolen.json()["code"]) == (409, "lease_lost")
    assert await outcome_of(box, late, files=[{"file_id": place["file_id"], "kind": "text"}]) == "LOST"
    assert await outcome_of(box, job) == "COMPLETED"
    assert await outcome_of(box, job) == "LOST"
    done = (await creator.get(f"/v1/jobs/{order['id']}")).json()
    assert (done["attempt"], done["result"]["files"]) == (2, [])
    svc.clock.advance(25 * 3600)
    await sweep_files(svc.runtime)
    assert await svc.runtime.storage.list("incoming/") == []


async def test_a_result_whose_file_did_not_arrive_is_not_accepted(svc, creator, box):
    await ordered(creator, "sleep")
    [job] = await claim(box)
    body = {**held(job), "name": "x.txt", "content_type": "text/plain", "size": 5}
    place = (await box.post("/v1/runner/outputs", json=body)).json()
    made = [{"file_id": place["file_id"], "kind": "text"}]
    refused = await settle(box, job, files=made)
    assert (refused.status_code, refused.json()["code"]) == (409, "output_missing")
    assert (await box.put(place["url"], content=b"much more than five")).status_code == 413
    assert (await box.put(place["url"], content=b"five!")).status_code == 204
    assert await outcome_of(box, job, files=made) == "COMPLETED"


async def test_a_cancel_reaches_the_runner_and_ends_the_job(svc, creator, box):
    order = await ordered(creator, "sleep")
    [job] = await claim(box)
    await creator.post(f"/v1/jobs/{order['id']}/cancel")
    assert await beat(box, job) == "cancel"
    assert await outcome_of(box, job, "CANCELLED") == "CANCELLED"
    assert (await creator.get("/v1/jobs/usage")).json()["ai_generations"]["reserved"] == 0


async def test_a_failure_that_may_pass_is_tried_again_when_the_runner_says(svc, creator, box):
    order = await ordered(creator, "sleep")
    error = {"code": "PROVIDER_RATE_LIMITED", "message": "The model is busy."}
    [job] = await claim(box)
    assert await outcome_of(box, job, "RETRY", error=error, retry_after=90) == "RETRY"
    waiting = (await creator.get(f"/v1/jobs/{order['id']}")).json()
    assert (waiting["status"], waiting["reason"], waiting["error"]["code"]) == ("PENDING", "retrying", error["code"])
    svc.clock.advance(89)
    await Queue(svc.runtime.database).promote(svc.clock.now())
    assert await claim(box) == []
    svc.clock.advance(2)
    await Queue(svc.runtime.database).promote(svc.clock.now())
    [job] = await claim(box)
    assert await outcome_of(box, job, "FAILED", error={"code": "INVALID_INPUT", "message": "No."}) == "FAILED"
    failed = (await creator.get(f"/v1/jobs/{order['id']}")).json()
    assert failed["error"] == {"code": "INVALID_INPUT", "message": "No.", "retryable": False}
    assert (await creator.get("/v1/jobs/usage")).json()["ai_generations"] | {"resets_at": None, "limit": 0} == {
        "used": 0, "reserved": 0, "limit": 0, "resets_at": None,
    }  # fmt: skip


async def test_a_runner_takes_several_jobs_at_once_but_never_more_than_a_plan_allows(svc, box):
    user_id = someone()
    await grant_plan(svc, user_id, max_running=2)
    async with svc.client(user_id) as client:
        for _ in range(4):
            await ordered(client, "sleep")
    assert len(await claim(box, max=3)) == 2
    assert await claim(box, max=3) == []


async def test_a_drained_runner_finishes_what_it_has_and_claims_no_more(svc, creator, box):
    await ordered(creator, "sleep")
    await ordered(creator, "sleep")
    [job] = await claim(box)
    async with svc.admin(someone()) as admin:
        [worker] = (await admin.get("/v1/admin/jobs/workers")).json()["items"]
        assert (worker["tools"], worker["running"]) == (["sleep"], 1)
        assert (await admin.post(f"/v1/admin/jobs/workers/{worker['id']}/drain")).status_code == 204
    answer = (await box.post("/v1/runner/claim", json={"tools": ["sleep"], "worker_id": "box-1"})).json()
    assert answer == {"jobs": [], "draining": True}
    assert await outcome_of(box, job) == "COMPLETED"


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "FAILED"},
        {"outcome": "RETRY", "retry_after": -1},
        {"outcome": "CANCELLED", "files": [{"file_id": LOST["token"], "kind": "text"}]},
        {"units": {"ai_generations": -1}},
        {"units": {"free_money": 1}},
        {"data": {"text": "\x00"}},
        {"outcome": "RELEASE"},
    ],
)
async def test_a_settlement_that_makes_no_sense_is_refused(visitor, steady, change):
    async with runner_of(steady) as runner:
        refused = await settle(runner, LOST, **{"outcome": "COMPLETED", **change})
        assert refused.status_code == 422
        assert refused.json()["errors"]


def gateway(svc):
    """What stands before the service: it knows one key, and vouches for whoever has it."""

    async def app(scope, receive, send):
        if (b"authorization", b"Bearer the-key") in scope["headers"]:
            token = identity_token("jobs", scopes=["runner"], kid="key-one", sid=None)
            scope = {**scope, "headers": [*scope["headers"], (IDENTITY_HEADER.lower().encode(), token.encode())]}
        await svc.app(scope, receive, send)

    return app


@asynccontextmanager
async def reachable():
    """The service behind a gateway on a real port, with links that lead there."""
    bound = loopback.listening_socket()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    async with (
        jobs_service(extra_tools="tests.support.job_tools", public_url=url) as svc,
        loopback.served(gateway(svc), bound),
    ):
        yield svc, url


async def test_the_example_is_short_and_works_as_a_process_of_its_own():
    assert len(EXAMPLE.read_text().splitlines()) <= 60
    async with reachable() as (svc, url), svc.client(someone()) as creator:
        order = await ordered(creator, "sleep", prompt="from afar")
        environment = {**os.environ, "ATELIER_KEY": "the-key", "PYTHONUNBUFFERED": "1"}
        process = await asyncio.create_subprocess_exec(sys.executable, EXAMPLE, url, "sleep", env=environment)
        try:
            done = await until(creator, order["id"])
        finally:
            process.kill()
            await process.wait()
        assert (done["status"], done["engine"]) == ("COMPLETED", {"provider": "example", "version": "1"})
        assert (await creator.get(done["result"]["files"][0]["url"])).text == "sleep: from afar\n"
