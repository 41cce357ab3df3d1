"""Batches: all or nothing on the way in, one event at the end."""

import asyncio

import pytest

from services.jobs import operator
from shared.contracts.accounts import UserDisabled
from tests.support.jobs import claimed, grant_plan, jobs_service, settle, someone

BATCHES = "/v1/jobs/batches"


def meme(**more):
    return {"tool": "memes", "prompt": "top | bottom", **more}


async def send(client, *items, headers=None, **more):
    return await client.post(BATCHES, json={"items": list(items), **more}, headers=headers or {})


async def used(client, metric="ai_generations"):
    row = (await client.get("/v1/jobs/usage")).json()[metric]
    return row["used"], row["reserved"]


async def test_a_batch_is_accepted_as_a_whole_and_keeps_its_order(svc, client):
    accepted = await send(
        client, meme(metadata={"n": 0}), {"tool": "sleep"}, meme(metadata={"n": 2}), metadata={"campaign": "spring"}
    )
    batch = accepted.json()
    assert accepted.status_code == 202
    assert accepted.headers["Location"] == f"{BATCHES}/{batch['id']}"
    assert (batch["status"], batch["total"], batch["counts"]) == ("RUNNING", 3, {"PENDING": 3})
    assert [item["tool"] for item in batch["items"]] == ["memes", "sleep", "memes"]
    assert [item["metadata"].get("n") for item in batch["items"]] == [0, None, 2]
    assert {item["batch_id"] for item in batch["items"]} == {batch["id"]}
    assert (await client.get(f"{BATCHES}/{batch['id']}")).json() == batch
    assert await used(client) == (0, 3)


async def test_a_batch_that_the_quota_can_not_hold_leaves_no_trace(svc, client):
    refused = await send(client, *[meme() for _ in range(11)])
    assert (refused.status_code, refused.json()["code"], refused.json()["metric"]) == (
        429, "quota_exceeded", "ai_generations",
    )  # fmt: skip
    assert await used(client) == (0, 0)
    assert (await client.get("/v1/jobs")).json()["items"] == []
    assert await svc.published("job.created") == []
    assert (await send(client, *[meme() for _ in range(10)])).status_code == 202


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"tool": "memes"}, "items.1.prompt"),
        ({"tool": "no-such-tool"}, "items.1.tool"),
        ({"tool": "memes", "family": "studio", "prompt": "x"}, "items.1.tool"),
        (meme(options={"nonsense": 1}), "items.1.options.nonsense"),
        (meme(input_files=["01890000-0000-7000-8000-000000000000"]), "items.1.input_files.0"),
    ],
)
async def test_one_wrong_item_refuses_the_batch_and_is_named(visitor, item, field):
    refused = await send(visitor, meme(), item)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field
    assert await used(visitor) == (0, 0)


@pytest.mark.parametrize("items", [[], [meme()] * 101, [{"prompt": "no tool"}], "none"])
async def test_a_body_that_is_no_batch_is_refused(visitor, items):
    assert (await visitor.post(BATCHES, json={"items": items})).status_code == 422


async def test_the_same_key_makes_one_batch_even_in_parallel(svc, client):
    key = {"Idempotency-Key": "spring-campaign"}
    answers = await asyncio.gather(*(send(client, meme(), meme(), headers=key) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await used(client) == (0, 2)
    other = await send(client, meme(), headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_somebody_else_s_batch_is_not_there(svc, client):
    batch = (await send(client, meme())).json()
    async with svc.client(someone()) as stranger:
        assert (await stranger.get(f"{BATCHES}/{batch['id']}")).status_code == 404


async def test_the_last_job_ends_the_batch_with_one_event(svc, client, user_id):
    await grant_plan(svc, user_id, max_running=5)
    batch = (await send(client, meme(), meme(), meme(), meme())).json()
    await settle(svc, await claimed(svc))
    await settle(svc, await claimed(svc), "RETRY", code="INTERNAL", delay=0)
    for _ in range(2):
        await settle(svc, await claimed(svc), "FAILED", code="INVALID_INPUT")
    assert await svc.published("batch.completed") == []
    [left] = [
        item for item in batch["items"] if (await client.get(f"/v1/jobs/{item['id']}")).json()["status"] == "PENDING"
    ]
    await client.post(f"/v1/jobs/{left['id']}/cancel")
    [event] = await svc.published("batch.completed")
    counts = {"COMPLETED": 1, "FAILED": 2, "CANCELLED": 1}
    assert event["data"] == {"batch_id": batch["id"], "user_id": str(user_id), "counts": counts}
    ended = (await client.get(f"{BATCHES}/{batch['id']}")).json()
    assert (ended["status"], ended["counts"]) == ("COMPLETED", counts)
    assert ended["completed_at"] is not None
    assert await operator.reconcile(svc.runtime) == []


async def test_a_deleted_job_still_counts_in_its_batch(svc, client):
    batch = (await send(client, meme())).json()
    await settle(svc, await claimed(svc))
    await client.delete(f"/v1/jobs/{batch['items'][0]['id']}")
    ended = (await client.get(f"{BATCHES}/{batch['id']}")).json()
    assert (ended["counts"], ended["items"]) == ({"COMPLETED": 1}, [])


async def test_batches_over_several_lanes_meet_settlements_and_cancels_without_a_deadlock():
    """Each batch touches two lanes and the counters; so do the settlements and the account's end beside them."""
    async with jobs_service(extra_tools="tests.support.job_tools", pool_size=8) as svc:
        user_id = someone()
        await grant_plan(svc, user_id, max_running=50)

        async def order(client):
            for _ in range(6):
                items = [{"tool": "slow-sleep"}, {"tool": "sleep"}, {"tool": "slow-sleep"}]
                assert (await send(client, *items)).status_code == 202

        async def work(lane):
            for _ in range(12):
                await settle(svc, await claimed(svc, lane=lane))

        async with svc.client(user_id) as client:
            await order(client)
            await asyncio.gather(order(client), order(client), work("interactive"), work("render"), work("render"))
        await svc.receive(UserDisabled(user_id=user_id, reason="test"))
        events = await svc.published("batch.completed")
        assert len({event["subject"] for event in events}) == len(events) == 18
        assert await operator.reconcile(svc.runtime) == []
