# ruff: noqa: ASYNC110 - what happens in other processes can only be polled for.
"""Paid services elsewhere: asked once, named honestly, and left alone when they don't work."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
import pytest
import pytest_asyncio
from pydantic import ValidationError

from services.jobs import operator
from services.jobs.providers.http import retry_after
from services.jobs.settings import JobsSettings
from shared.breaker import FAILURES
from shared.clock import SystemClock
from tests.support import loopback
from tests.support.jobs import grant_plan, jobs_service, jobs_with_runner, order, ordered, someone, until
from tests.support.processes import runner_process
from tests.support.provider_server import ProviderServer


def configured(url, **more):
    return {
        "providers": {
            "acme": {"kind": "openai", "base_url": url, "api_key": "k", "models": {"images": "paint-1"}, **more},
            "keeper": {"kind": "openai", "base_url": url, "models": {"images": "paint-1"}, "idempotent": True},
            "swift": {"kind": "replicate", "base_url": url, "models": {"images": "lab/paint"}},
            "slow": {"kind": "openai", "base_url": url, "models": {"images": "paint-1"}, "per_minute": 1},
        },
        "engines": {"images": ["acme", "swift", "keeper", "slow", "local"]},
    }


@pytest_asyncio.fixture(scope="module")
async def server():
    server = ProviderServer()
    async with loopback.served(server, loopback.listening_socket()) as server.url:
        yield server


@pytest_asyncio.fixture(scope="module")
async def live(tmp_path_factory, server):
    async with jobs_with_runner(tmp_path_factory.mktemp("runner"), **configured(server.url)) as running:
        yield running


@pytest_asyncio.fixture
async def creator(live, server):
    server.faults, server.headers = [], {}
    server.asked, server.accepted, server.keys, server.cancelled = 0, [], [], []
    server.finish.set()
    for remote in live.runtime.parts.runner._bench.remote._remotes.values():
        remote.breaker.worked()
    await live.rows("DELETE FROM rate_limits RETURNING 1")
    user_id = someone()
    await grant_plan(live, user_id, max_running=5)
    async with live.client(user_id) as client:
        yield client
    assert await operator.reconcile(live.runtime) == []


async def picture_from(client, **body):
    job = await ordered(client, "images", prompt="a red fox", **body)
    return await until(client, job["id"], seconds=30)


async def test_the_first_engine_of_the_order_makes_the_picture_and_the_result_says_so(creator, server):
    done = await picture_from(creator, options={"n": 2, "size": "landscape"})
    assert (done["status"], done["engine"]) == ("COMPLETED", {"provider": "acme", "version": "paint-1"})
    assert [(file["width"], file["height"], file["kind"]) for file in done["result"]["files"]] == [
        (32, 24, "image")
    ] * 2
    assert done["usage"] == {"ai_generations": 1, "images": 2}
    assert server.accepted == [{"model": "paint-1", "prompt": "a red fox", "n": 2, "size": "1536x1024"}]
    assert server.keys == [done["id"]]


async def test_a_prediction_is_asked_for_until_it_is_there_and_copied_at_once(creator, server):
    server.finish.clear()
    job = await ordered(creator, "images", prompt="a fox", engine="swift", seed=11)
    await until(creator, job["id"], "PROCESSING")
    while not server.accepted:
        await asyncio.sleep(0.02)
    server.finish.set()
    done = await until(creator, job["id"])
    assert (done["status"], done["engine"]) == ("COMPLETED", {"provider": "swift", "version": "lab/paint"})
    [file] = done["result"]["files"]
    assert (file["width"], file["height"]) == (40, 30)
    assert (await creator.get(file["url"])).status_code == 200
    assert server.accepted == [{"input": {"prompt": "a fox", "seed": 11, "aspect_ratio": "4:5"}}]


async def test_when_nobody_takes_the_job_the_local_engine_does_it_and_is_named(creator, server):
    server.faults = [503, 503, 503, 503]
    done = await picture_from(creator)
    assert (done["status"], done["engine"]["provider"]) == ("COMPLETED", "local")
    assert (server.asked, server.accepted) == (4, [])


async def test_whoever_asks_for_the_local_engine_gets_it_and_nobody_is_asked(creator, server):
    done = await picture_from(creator, engine="local")
    assert (done["status"], done["engine"]["provider"], server.asked) == ("COMPLETED", "local", 0)


async def test_an_engine_that_a_tool_does_not_have_is_refused_by_name(creator):
    for tool, engine in (("images", "nobody"), ("memes", "acme")):
        refused = await order(creator, tool, engine=engine)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "engine")


async def test_the_catalogue_names_every_engine_in_its_order(creator):
    tools = {tool["id"]: tool for tool in (await creator.get("/v1/tools")).json()["items"]}
    assert [engine["name"] for engine in tools["images"]["engines"]] == ["acme", "swift", "keeper", "slow", "local"]
    assert [engine["name"] for engine in tools["memes"]["engines"]] == ["local"]


async def test_too_many_requests_wait_as_long_as_the_provider_says(creator, server):
    server.faults, server.headers = [429], {"Retry-After": "7"}
    job = await ordered(creator, "images", prompt="a fox", engine="acme")
    async with asyncio.timeout(10):
        while (seen := (await creator.get(f"/v1/jobs/{job['id']}")).json())["reason"] != "retrying":
            await asyncio.sleep(0.05)
    assert seen["error"]["code"] == "PROVIDER_RATE_LIMITED"
    wait = datetime.fromisoformat(seen["run_at"]) - datetime.fromisoformat(seen["updated_at"])
    assert wait == timedelta(seconds=7)
    await creator.post(f"/v1/jobs/{job['id']}/cancel")


async def test_a_provider_s_own_limit_is_kept_over_all_jobs(creator, server):
    assert (await picture_from(creator, engine="slow"))["status"] == "COMPLETED"
    job = await ordered(creator, "images", prompt="a fox", engine="slow")
    async with asyncio.timeout(10):
        while (seen := (await creator.get(f"/v1/jobs/{job['id']}")).json())["reason"] != "retrying":
            await asyncio.sleep(0.05)
    assert (seen["error"]["code"], server.asked) == ("PROVIDER_RATE_LIMITED", 1)
    await creator.post(f"/v1/jobs/{job['id']}/cancel")


async def test_what_a_provider_refuses_goes_nowhere_else_and_costs_nothing(creator, server):
    server.faults = [422]
    failed = await picture_from(creator)
    assert (failed["status"], failed["error"]["code"], server.asked) == ("FAILED", "PROVIDER_REFUSED", 1)
    assert (await creator.get("/v1/jobs/usage")).json()["ai_generations"]["used"] == 0


async def test_what_is_no_picture_is_no_result(creator, server):
    server.faults = ["rubbish"]
    failed = await picture_from(creator, engine="acme")
    assert (failed["status"], failed["error"]["code"]) == ("FAILED", "PROVIDER_FAILED")


@pytest.mark.parametrize("engine", ["acme", "swift"])
async def test_a_job_whose_answer_was_lost_is_never_asked_for_again(creator, server, engine):
    server.faults = ["lose"]
    failed = await picture_from(creator, engine=engine)
    assert (failed["status"], failed["error"]["code"]) == ("FAILED", "PROVIDER_UNCERTAIN")
    assert (server.asked, failed["attempt"]) == (1, 1)


async def test_a_provider_that_keeps_the_key_is_asked_again_with_the_same_one_and_nobody_else_is(creator, server):
    server.faults = ["lose", 503]
    done = await picture_from(creator, engine="keeper")
    assert (done["status"], done["attempt"]) == ("COMPLETED", 3)
    assert server.keys == [done["id"], done["id"]]


async def test_a_cancel_reaches_the_provider(creator, server):
    server.finish.clear()
    job = await ordered(creator, "images", prompt="a fox", engine="swift")
    while not server.accepted:
        await asyncio.sleep(0.02)
    await creator.post(f"/v1/jobs/{job['id']}/cancel")
    assert (await until(creator, job["id"]))["status"] == "CANCELLED"
    assert server.cancelled == ["p1"]


@pytest.mark.chaos
async def test_a_runner_that_is_killed_while_a_provider_works_makes_nobody_pay_twice(tmp_path, server, monkeypatch):
    server.accepted, server.faults = [], []
    server.finish.clear()
    for name, value in configured(server.url).items():
        monkeypatch.setenv(f"JOBS_{name.upper()}", orjson.dumps(value).decode())
    async with (
        jobs_service(clock=SystemClock(), **configured(server.url)) as svc,
        svc.client(someone()) as client,
        runner_process(svc, tmp_path) as first,
    ):
        job = await ordered(client, "images", prompt="a fox", engine="swift")
        while not await svc.rows("SELECT 1 FROM job_checkpoints WHERE remote_id IS NOT NULL"):
            await asyncio.sleep(0.02)
        first.kill()
        await first.wait()
        async with runner_process(svc, tmp_path):
            server.finish.set()
            done = await until(client, job["id"], seconds=30)
    assert (done["status"], done["attempt"], len(server.accepted)) == ("COMPLETED", 2, 1)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0.5", 0.5), ("-3", 0), ("999999", 3600), ("soon", None), ("nan", None), (None, None)],
)
def test_a_wait_is_read_from_what_providers_send(header, seconds):
    assert retry_after(header) == seconds


def test_a_wait_until_a_date_is_read_too():
    assert 50 < retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)) <= 60


@pytest.mark.parametrize(
    "change",
    [{"engines": {"images": ["nobody"]}}, {"engines": {"memes": ["acme"]}}, {"providers": {"acme": {"kind": "x"}}}],
)
def test_a_configuration_that_can_not_work_is_refused_at_the_start(change):
    with pytest.raises(ValidationError):
        JobsSettings(**{**configured("http://127.0.0.1:1"), **change})


async def test_an_open_breaker_sends_the_job_to_the_next_engine_without_asking(creator, server):
    server.faults = [503] * FAILURES
    for _ in range(2):
        failed = await picture_from(creator, engine="acme")
        assert (failed["status"], failed["error"]["code"]) == ("FAILED", "PROVIDER_UNAVAILABLE")
    assert server.asked == FAILURES
    assert (await picture_from(creator))["engine"]["provider"] == "swift"
    assert server.asked == FAILURES + 1
