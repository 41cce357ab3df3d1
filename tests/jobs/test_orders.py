"""Ordering jobs over HTTP: what is accepted, what is refused and how, what can be seen."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.support.full_disks import no_room_for
from tests.support.jobs import claimed, grant_plan, jobs_service, order, ordered, settle, someone


async def test_an_order_is_accepted_with_a_place_in_the_queue(svc, client, user_id):
    response = await order(client, "memes", prompt="a | b", metadata={"album": 7}, seed=5)
    job = response.json()
    assert response.status_code == 202
    assert response.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert job["status"] == "PENDING"
    assert job["queue"]["position"] == 1
    assert job["usage"] == {"ai_generations": 1, "images": 1}
    assert (job["seed"], job["metadata"], job["progress"], job["result"]) == (5, {"album": 7}, 0, None)
    assert (await client.get(f"/v1/jobs/{job['id']}")).json() == job


async def test_an_order_that_finds_the_disk_full_asks_to_come_back_and_holds_nothing(svc, client):
    async with no_room_for(svc.runtime.database, "jobs"):
        refused = await order(client, "memes", prompt="a | b")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    usage = (await client.get("/v1/jobs/usage")).json()
    assert (await client.get("/v1/jobs")).json()["items"] == []
    assert usage["ai_generations"]["reserved"] == 0
    assert (await order(client, "memes", prompt="a | b")).status_code == 202


async def test_the_published_views_show_the_job_with_all_their_columns(svc, client):
    job = await ordered(client, "memes", prompt="a | b")
    [row] = await svc.rows("SELECT * FROM ai_jobs")
    assert str(row["id"]) == job["id"]
    assert set(row) == {
        *("id", "user_id", "tool", "prompt", "options", "status", "result_url", "result_data", "error_message"),
        *("progress", "started_at", "completed_at", "created_at", "updated_at"),
    }
    await svc.rows(
        "SELECT id, user_id, tool, input_files, options, status, result_url, progress, created_at FROM studio_jobs"
    )


async def test_other_people_s_jobs_do_not_exist(svc, client):
    job = await ordered(client)
    async with svc.client(someone()) as stranger:
        for method, path in [("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", ""), ("GET", "/result")]:
            answer = await stranger.request(method, f"/v1/jobs/{job['id']}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found"), path
        assert (await stranger.get(f"/v1/jobs/{job['id']}/events")).status_code == 404
        assert (await stranger.get("/v1/jobs")).json() == {"items": [], "next_cursor": None}


async def test_nobody_without_a_credential_orders_anything(steady):
    async with steady.client() as nobody:
        assert (await order(nobody)).status_code == 401
        assert (await nobody.get("/v1/tools")).status_code == 200


async def test_an_api_key_needs_the_scope(steady):
    async with steady.client(someone(), scopes=["jobs:read"]) as reader:
        assert (await order(reader)).status_code == 403
        assert (await reader.get("/v1/jobs")).status_code == 200


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"tool": "nonsense"}, "tool_unknown", None),
        ({"tool": "collage"}, "tool_unknown", None),
        ({"tool": "memes", "options": {"colour": 1}}, "invalid_job", "options.colour"),
        ({"tool": "images", "prompt": " "}, "invalid_job", "prompt"),
        ({"tool": "images", "prompt": "x" * 5000}, "invalid_job", "prompt"),
        ({"tool": "images", "prompt": "x", "options": {"n": 99}}, "invalid_job", "options.n"),
        ({"tool": "memes", "prompt": "a", "input_files": [str(uuid4())]}, "invalid_job", "input_files.0"),
        ({"tool": "memes", "prompt": "nul \x00 byte"}, "invalid", "prompt"),
        ({"tool": "memes", "metadata": {"a": "\x00"}}, "invalid", "metadata"),
        ({"tool": "memes", "metadata": {"a": "x" * 20_000}}, "invalid", "metadata"),
        ({"tool": "memes", "priority": 99}, "invalid", "priority"),
        ({"tool": "memes", "run_at": "2030-01-01T00:00:00"}, "invalid", "run_at"),
        ({"tool": "memes", "colour": "red"}, "invalid", "colour"),
        ({"prompt": "no tool"}, "invalid", "tool"),
    ],
)
async def test_an_impossible_order_names_what_is_wrong(visitor, body, code, field):
    answer = await visitor.post("/v1/ai/jobs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    if field:
        assert field in [entry["field"] for entry in answer.json()["errors"]]


@pytest.mark.parametrize(
    "body", [b'{"tool": "memes", "prompt": "\\ud800"}', b'{"tool":"memes","options":{"a":"\\udfff"}}']
)
async def test_half_a_character_is_refused(visitor, body):
    answer = await visitor.post("/v1/ai/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


async def test_forty_orders_with_one_key_are_one_job(svc, client):
    key = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(order(client, prompt="a | b", headers=key) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 39
    other = await order(client, prompt="c | d", headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(await svc.published("job.created")) == 1


async def test_a_key_is_replayed_after_a_restart(user_id):
    """The second process shares nothing with the first but what is in the database."""
    stopped, key = f"jobs_{uuid4().hex[:12]}", {"Idempotency-Key": "once"}
    async with jobs_service(database=stopped) as svc, svc.client(user_id) as client:
        first = await order(client, prompt="a | b", headers=key)
    async with jobs_service(template=stopped) as svc, svc.client(user_id) as client:
        again = await order(client, prompt="a | b", headers=key)
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        assert again.headers["Idempotency-Replayed"] == "true"
        other = await order(client, prompt="c | d", headers=key)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
        assert len(await svc.rows("SELECT id FROM jobs")) == 1


async def test_lists_filter_and_page_without_repeats(svc, client, user_id):
    await grant_plan(svc, user_id)
    made = []
    for number in range(5):
        made.append((await ordered(client, "images" if number % 2 else "memes"))["id"])
        svc.clock.advance(1)
    first = (await client.get("/v1/jobs", params={"limit": 3})).json()
    second = (await client.get("/v1/jobs", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [job["id"] for job in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None
    images = (await client.get("/v1/ai/jobs", params={"tool": "images"})).json()["items"]
    assert [job["id"] for job in images] == [made[3], made[1]]
    assert (await client.get("/v1/ai/jobs", params={"status": "FAILED"})).json()["items"] == []
    assert (await client.get("/v1/studio/jobs")).json()["items"] == []
    stolen = await client.get("/v1/ai/jobs", params={"cursor": first["next_cursor"]})
    assert (stolen.status_code, stolen.json()["code"]) == (400, "bad_cursor")


async def test_an_estimate_tells_the_cost_and_writes_nothing(svc, client, user_id):
    answer = (
        await client.post("/v1/jobs/estimate", json={"tool": "images", "prompt": "x", "options": {"n": 4}})
    ).json()
    assert answer["valid"] is True
    assert answer["units"] == {"ai_generations": 1, "images": 4}
    assert answer["quota_left"]["images"] == 20
    assert answer["eta_seconds"]["low"] <= answer["eta_seconds"]["high"]
    wrong = (await client.post("/v1/jobs/estimate", json={"tool": "images", "prompt": ""})).json()
    assert (wrong["valid"], wrong["errors"][0]["field"]) == (False, "prompt")
    assert await svc.rows("SELECT * FROM jobs") == []
    assert await svc.rows("SELECT * FROM usage_counters") == []


async def test_the_catalogue_says_what_works_and_what_does_not_yet(visitor):
    tools = {tool["id"]: tool for tool in (await visitor.get("/v1/tools")).json()["items"]}
    assert {name for name, tool in tools.items() if tool["available"]} >= {
        "memes",
        "images",
        "resize",
        "collage",
        "instagram",
    }
    assert tools["images"]["kind"] == "design"
    assert "n" in tools["images"]["options_schema"]["properties"]
    assert set(tools) >= {"reels", "avatar", "voiceover", "subtitles", "video-editor", "collage", "instagram", "resize"}
    assert set(tools) >= {"thumbnail", "gif", "audio-mix", "background"}
    assert "sleep" not in tools


async def test_a_waiting_job_is_cancelled_at_once_and_costs_nothing(svc, client):
    job = await ordered(client)
    answer = await client.post(f"/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    again = await client.post(f"/v1/jobs/{job['id']}/cancel")
    assert (again.status_code, again.json()["version"]) == (200, answer.json()["version"])
    usage = (await client.get("/v1/jobs/usage")).json()
    assert {name: (row["used"], row["reserved"]) for name, row in usage.items() if row["used"] or row["reserved"]} == {}
    [event] = await svc.published("job.cancelled")
    assert event["data"]["units_released"] == {"ai_generations": 1, "images": 1}
    assert event["data"]["by"] == "user"


async def test_a_failed_job_can_be_ordered_again(svc, client):
    job = await ordered(client, prompt="a | b", seed=9)
    refused = await client.post(f"/v1/jobs/{job['id']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_retryable")
    await settle(svc, await claimed(svc), "FAILED", code="ENGINE_FAILED", message="No.")
    again = await client.post(f"/v1/jobs/{job['id']}/retry")
    assert again.status_code == 202
    new = again.json()
    assert (new["retry_of"], new["prompt"], new["seed"], new["status"]) == (job["id"], "a | b", 9, "PENDING")


async def test_a_deleted_job_leaves_only_its_use(svc, client):
    job = await ordered(client, prompt="secret | words")
    assert (await client.delete(f"/v1/jobs/{job['id']}")).status_code == 409
    await settle(svc, await claimed(svc))
    assert (await client.delete(f"/v1/jobs/{job['id']}")).status_code == 204
    assert (await client.get(f"/v1/jobs/{job['id']}")).status_code == 404
    [row] = await svc.rows("SELECT prompt, status, units_used FROM jobs")
    assert row == {"prompt": None, "status": "COMPLETED", "units_used": {"ai_generations": 1, "images": 1}}


async def test_a_job_for_later_waits_for_its_time(svc, client):
    later = (svc.clock.now() + timedelta(hours=1)).isoformat()
    job = await ordered(client, run_at=later)
    await svc.runtime.parts.queue.promote(svc.clock.now())
    [row] = await svc.rows("SELECT state FROM job_queue")
    assert row["state"] == 2
    svc.clock.advance(3601)
    assert await svc.runtime.parts.queue.promote(svc.clock.now()) == 1
    assert str((await claimed(svc)).job_id) == job["id"]


async def test_prefer_wait_answers_late_rather_than_never(visitor):
    answer = await order(visitor, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
