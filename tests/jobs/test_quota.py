"""Quota: held with the order, settled to what was used, given back when nothing came of it."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.jobs import operator
from tests.support.jobs import claimed, grant_plan, order, ordered, settle, someone


async def usage(client, metric="ai_generations"):
    row = (await client.get("/v1/jobs/usage")).json()[metric]
    return row["used"], row["reserved"]


async def test_two_hundred_orders_at_a_limit_of_fifty_are_exactly_fifty_jobs(svc, client, user_id):
    await grant_plan(svc, user_id, limits={"ai_generations": 50})
    answers = await asyncio.gather(*(order(client) for _ in range(200)))
    assert sorted(answer.status_code for answer in answers) == [202] * 50 + [429] * 150
    refused = next(answer for answer in answers if answer.status_code == 429).json()
    assert (refused["code"], refused["metric"]) == ("quota_exceeded", "ai_generations")
    assert refused["resets_at"].endswith("Z")
    assert await usage(client) == (0, 50)
    assert await usage(client, "images") == (0, 50)
    assert await operator.reconcile(svc.runtime) == []


async def test_the_free_plan_is_what_an_unknown_user_has(client):
    answers = [await order(client) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]


async def test_a_refused_metric_holds_none_of_the_others(svc, client, user_id):
    await grant_plan(svc, user_id, limits={"images": 3})
    answer = await order(client, "images", prompt="x", options={"n": 4})
    assert answer.json()["metric"] == "images"
    assert await usage(client) == (0, 0)
    assert (await order(client, "images", prompt="x", options={"n": 3})).status_code == 202


async def test_failed_and_cancelled_jobs_cost_nothing(svc, client):
    for outcome in ("FAILED", "CANCELLED"):
        await ordered(client)
        assert await usage(client) == (0, 1)
        await settle(svc, await claimed(svc), outcome, code="ENGINE_FAILED")
        assert await usage(client) == (0, 0)
    assert await svc.published("usage.recorded") == []


async def test_what_was_used_is_what_counts(svc, client):
    await ordered(client, "images", prompt="x", options={"n": 4})
    await settle(svc, await claimed(svc), units={"ai_generations": 1, "images": 2, "export_seconds": 7})
    assert await usage(client, "images") == (2, 0)
    assert await usage(client, "export_seconds") == (7, 0)
    recorded = {event["data"]["metric"]: event["data"] for event in await svc.published("usage.recorded")}
    assert {metric: data["quantity"] for metric, data in recorded.items()} == {
        "ai_generations": 1,
        "images": 2,
        "export_seconds": 7,
    }
    [counter] = await svc.rows("SELECT period_start, period_end FROM usage_counters WHERE metric = 'images'")
    assert recorded["images"]["period_start"].startswith(counter["period_start"].strftime("%Y-%m-%dT%H:%M:%S"))
    assert recorded["images"]["period_end"].startswith(counter["period_end"].strftime("%Y-%m-%dT%H:%M:%S"))


async def test_thresholds_are_told_once_each(svc, client, user_id):
    await grant_plan(svc, user_id, limits={"ai_generations": 10})
    for _ in range(10):
        await ordered(client)
        await settle(svc, await claimed(svc))
    told = [event["data"] for event in await svc.published("usage.threshold_reached")]
    assert [(data["metric"], data["percent"], data["used"]) for data in told] == [
        ("ai_generations", 80, 8),
        ("ai_generations", 100, 10),
    ]


async def test_a_job_is_counted_in_the_period_that_accepted_it(svc, client, user_id):
    await grant_plan(svc, user_id)
    await ordered(client)
    svc.clock.advance(40 * 86400)
    assert await usage(client) == (0, 0)
    await settle(svc, await claimed(svc))
    assert await usage(client) == (0, 0)
    [row] = await svc.rows("SELECT used, reserved FROM usage_counters WHERE metric = 'ai_generations'")
    assert row == {"used": 1, "reserved": 0}
    assert await operator.reconcile(svc.runtime) == []


steps = st.lists(st.sampled_from(["order", "complete", "fail", "cancel", "retry"]), min_size=1, max_size=25)


@given(script=steps, limit=st.integers(0, 6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_held_and_used_always_add_up(svc, script, limit):
    """Whatever happens in whatever order: used counts the completed, reserved the living, and the limit holds."""
    user_id = someone()
    await grant_plan(svc, user_id, limits={"ai_generations": limit}, max_running=100)
    completed = alive = 0
    held = []
    async with svc.client(user_id) as client:
        for step in script:
            if step == "order":
                answer = await order(client)
                accepted = completed + alive < limit
                assert answer.status_code == (202 if accepted else 429)
                alive += accepted
            elif waiting := alive - len(held):
                assert waiting > 0
                held.append(await claimed(svc))
            if step in {"complete", "fail", "cancel"} and held:
                outcome = {"complete": "COMPLETED", "fail": "FAILED", "cancel": "CANCELLED"}[step]
                assert await settle(svc, held.pop(), outcome, code="INTERNAL") == outcome
                completed, alive = completed + (step == "complete"), alive - 1
            if step == "retry" and held:
                again = await settle(svc, held.pop(), "RETRY", code="INTERNAL", delay=0)
                alive -= again == "FAILED"
            assert await usage(client) == (completed, alive)
        assert await operator.reconcile(svc.runtime) == []
        for job in (await client.get("/v1/jobs")).json()["items"]:
            if job["status"] == "PENDING":
                await client.post(f"/v1/jobs/{job['id']}/cancel")
    for rest in held:
        await settle(svc, rest, "CANCELLED")
