# ruff: noqa: ASYNC110, ASYNC240 - what happens in other processes can only be polled for.
"""Jobs through a real runner: forked children, real files, real endings."""

import asyncio
import io
import json
import math
import os
import signal
from pathlib import Path

import pytest_asyncio
from PIL import Image

from services.jobs import operator
from services.jobs.runner.processes import session_members, start_ticks
from tests.support.jobs import grant_plan, jobs_with_runner, order, ordered, picture, someone, until, upload

TAKEN_AWAY = """
    UPDATE job_queue SET lease_token = gen_random_uuid(), lease_until = now() + interval '1 hour', worker_id = 'another'
     WHERE job_id = %(id)s RETURNING 1
"""


@pytest_asyncio.fixture(scope="module")
async def live(tmp_path_factory):
    """One runner for all tests of this file that don't end it: warming one up takes seconds."""
    async with jobs_with_runner(tmp_path_factory.mktemp("runner")) as running:
        yield running


@pytest_asyncio.fixture
async def creator(live):
    async with live.client(someone()) as client:
        yield client


async def gone(pid, seconds=20):
    async with asyncio.timeout(seconds):
        while start_ticks(pid) is not None:
            await asyncio.sleep(0.05)


async def written(path: Path, seconds=20) -> str:
    async with asyncio.timeout(seconds):
        while not path.exists() or not path.read_text():
            await asyncio.sleep(0.02)
    return path.read_text()


async def test_a_meme_runs_from_order_to_file(live, creator):
    photo = await upload(creator, picture())
    job = await ordered(creator, "memes", prompt="it works | on my machine", input_files=[photo])
    done = await until(creator, job["id"])
    assert done["status"] == "COMPLETED", done
    file = done["result"]["files"][0]
    content = (await creator.get(file["url"])).content
    assert Image.open(io.BytesIO(content)).get_format_mimetype() == file["content_type"]
    assert len(content) == file["bytes"]
    assert done["engine"]["provider"] == "local"
    usage = (await creator.get("/v1/jobs/usage")).json()
    assert usage["images"]["used"] == 1
    assert usage["ai_generations"] | {"resets_at": ""} == {"used": 1, "reserved": 0, "limit": 10, "resets_at": ""}


async def test_a_voiceover_is_held_for_the_longest_it_could_be_and_counted_as_it_was_spoken(live, creator):
    job = await ordered(creator, "voiceover", prompt="Good morning, my friend. How are you today?")
    held = job["usage"]["voiceover_seconds"]
    done = await until(creator, job["id"], seconds=60)
    assert done["status"] == "COMPLETED", done
    used = done["usage"]["voiceover_seconds"]
    assert used == math.ceil(done["result"]["data"]["duration"]) < held
    assert done["result"]["files"][0]["content_type"] == "audio/mpeg"
    usage = (await creator.get("/v1/jobs/usage")).json()
    assert usage["voiceover_seconds"] | {"resets_at": ""} == {
        "used": used,
        "reserved": 0,
        "limit": 300,
        "resets_at": "",
    }
    much = await order(creator, "voiceover", prompt="That is too much for what is left of it. " * 70)
    assert (much.status_code, much.json()["code"]) == (429, "quota_exceeded")


async def test_studio_tools_run_from_order_to_files(live, creator):
    photos = [await upload(creator, picture()) for _ in range(2)]
    sizes = {"resize": (1080, 1080), "collage": (1080, 1080), "instagram": (1080, 1350)}
    for used, (tool, size) in enumerate(sizes.items(), start=1):
        options = {"height": 1080, "fit": "blur"} if tool == "resize" else {}
        body = {"tool": tool, "options": options, "input_files": photos}
        answer = await creator.post("/v1/studio/jobs", json=body)
        assert answer.status_code == 202, answer.text
        done = await until(creator, answer.json()["id"])
        assert done["status"] == "COMPLETED", done
        for file in done["result"]["files"]:
            content = (await creator.get(file["url"])).content
            assert Image.open(io.BytesIO(content)).size == size
        assert len(done["result"]["files"]) == (1 if tool == "collage" else 2)
        assert (await creator.get("/v1/jobs/usage")).json()["studio_jobs"]["used"] == used


async def test_a_studio_order_without_pictures_names_the_field_it_lacks(creator):
    answer = await creator.post("/v1/studio/jobs", json={"tool": "collage"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "input_files")


async def test_whoever_prefers_to_wait_gets_the_result_at_once(creator):
    headers = {"Prefer": "wait=15", "Idempotency-Key": "k"}
    answer = await order(creator, "images", prompt="A quiet evening by the sea", headers=headers, seed=3)
    assert (answer.status_code, answer.json()["status"]) == (200, "COMPLETED")
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    again = await order(creator, "images", prompt="A quiet evening by the sea", headers=headers, seed=3)
    assert again.json()["id"] == answer.json()["id"]
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_cancelling_kills_everything_the_work_started(live, creator, tmp_path):
    note = tmp_path / "pids"
    job = await ordered(creator, "grandchild", options={"note": str(note)})
    child, grandchild = map(int, (await written(note)).split())
    assert set(session_members(child)) == {child, grandchild}
    assert (await creator.post(f"/v1/jobs/{job['id']}/cancel")).status_code == 202
    done = await until(creator, job["id"])
    assert done["status"] == "CANCELLED"
    await gone(grandchild)
    assert session_members(child) == []
    assert await live.runtime.storage.list(f"results/{job['id']}") == []
    usage = (await creator.get("/v1/jobs/usage")).json()["ai_generations"]
    assert (usage["used"], usage["reserved"]) == (0, 0)


async def test_cancelling_a_render_leaves_neither_ffmpeg_nor_a_file(live, creator, tmp_path):
    note = tmp_path / "pids"
    job = await ordered(creator, "render", options={"note": str(note)})
    child, ffmpeg = map(int, (await written(note)).split())
    [folder] = live.runtime.parts.settings.work_folder.glob(f"*/{job['id']}-*")
    async with asyncio.timeout(20):
        while not (folder / "out" / "film.mkv").exists():
            await asyncio.sleep(0.05)
    await creator.post(f"/v1/jobs/{job['id']}/cancel")
    assert (await until(creator, job["id"]))["status"] == "CANCELLED"
    await gone(ffmpeg)
    assert session_members(child) == []
    async with asyncio.timeout(10):
        while folder.exists():
            await asyncio.sleep(0.05)
    assert await live.runtime.storage.list(f"results/{job['id']}") == []
    usage = (await creator.get("/v1/jobs/usage")).json()["ai_generations"]
    assert (usage["used"], usage["reserved"]) == (0, 0)


async def test_a_render_whose_lease_is_taken_away_stops_and_leaves_nothing(live, creator, tmp_path):
    note = tmp_path / "pids"
    job = await ordered(creator, "render", options={"note": str(note)})
    child, ffmpeg = map(int, (await written(note)).split())
    [folder] = live.runtime.parts.settings.work_folder.glob(f"*/{job['id']}-*")
    # As if another had reaped it and worked on it for long: the next heartbeat is told that it lost.
    await live.rows(TAKEN_AWAY, id=job["id"])
    await gone(ffmpeg)
    assert session_members(child) == []
    async with asyncio.timeout(10):
        while folder.exists():
            await asyncio.sleep(0.05)
    await creator.post(f"/v1/jobs/{job['id']}/cancel")
    await live.rows("UPDATE job_queue SET lease_until = now() WHERE job_id = %(id)s RETURNING 1", id=job["id"])
    assert (await until(creator, job["id"]))["status"] == "CANCELLED"


async def test_cancelling_a_reel_ends_its_film_and_frees_its_units(live, creator):
    job = await ordered(creator, "reels", prompt="This goes on for a while, and nobody wants to see it. " * 4)
    [folder] = await until_there(live.runtime.parts.settings.work_folder, f"*/{job['id']}-*/out/reel.mp4")
    child = json.loads((folder.parents[1] / "child.json").read_text())["pid"]
    assert len(session_members(child)) >= 2
    await creator.post(f"/v1/jobs/{job['id']}/cancel")
    assert (await until(creator, job["id"]))["status"] == "CANCELLED"
    await gone(child)
    assert session_members(child) == []
    usage = (await creator.get("/v1/jobs/usage")).json()
    counts = {metric: (usage[metric]["used"], usage[metric]["reserved"]) for metric in job["usage"]}
    assert counts == dict.fromkeys(job["usage"], (0, 0))


async def until_there(folder: Path, pattern: str, seconds=30) -> list[Path]:
    async with asyncio.timeout(seconds):
        while not (found := list(folder.glob(pattern))):
            await asyncio.sleep(0.05)
    return found


async def test_a_dead_child_takes_its_own_children_along(creator, tmp_path):
    note = tmp_path / "pids"
    job = await ordered(creator, "grandchild", options={"note": str(note), "seconds": -1})
    child, grandchild = map(int, (await written(note)).split())
    done = await until(creator, job["id"])
    assert (done["status"], done["error"]["code"]) == ("FAILED", "ENGINE_FAILED")
    await gone(grandchild)
    assert session_members(child) == []


async def test_a_poisonous_job_stops_and_others_keep_flowing(live):
    async with live.client(someone()) as bad, live.client(someone()) as good:
        poison = await ordered(bad, "crash")
        others = [await ordered(good, "sleep") for _ in range(3)]
        ended = await until(bad, poison["id"])
        assert (ended["status"], ended["error"]["code"], ended["attempt"]) == ("FAILED", "ENGINE_FAILED", 2)
        for other in others:
            assert (await until(good, other["id"]))["status"] == "COMPLETED"
    assert await operator.reconcile(live.runtime) == []


async def test_a_failure_that_passes_is_tried_again(creator, tmp_path):
    job = await ordered(creator, "flaky", options={"note": str(tmp_path / "tries"), "times": 2})
    done = await until(creator, job["id"])
    assert (done["status"], done["attempt"], done["error"]) == ("COMPLETED", 3, None)


async def test_an_engine_s_bug_ends_the_job_with_its_trace_kept_for_staff(live, creator):
    job = await ordered(creator, "fail")
    done = await until(creator, job["id"])
    assert (done["status"], done["error"]["code"]) == ("FAILED", "INTERNAL")
    assert "bug" not in str(done["error"])
    query = "SELECT detail, outcome FROM job_attempts WHERE job_id = %(id)s ORDER BY attempt"
    rows = await live.rows(query, id=job["id"])
    assert [row["outcome"] for row in rows] == ["RETRY"] * 3
    assert "RuntimeError: an engine's bug" in rows[0]["detail"]


async def test_a_refusal_of_the_engine_is_final_and_says_why(creator):
    done = await until(creator, (await ordered(creator, "refuse"))["id"])
    assert done["error"] == {"code": "INVALID_INPUT", "message": "No such thing can be made.", "retryable": False}
    assert done["attempt"] == 1


async def test_an_engine_can_not_hand_out_files_from_elsewhere(live, creator):
    done = await until(creator, (await ordered(creator, "mischief"))["id"])
    assert done["status"] == "FAILED"
    assert await live.runtime.storage.list(f"results/{done['id']}") == []


async def test_work_that_stalls_or_takes_too_long_is_stopped(tmp_path):
    limits = {"tool_stall_seconds": {"stall": 0.6}, "tool_timeout_seconds": {"sleep": 0.8}, "retry_base_seconds": 0.01}
    async with jobs_with_runner(tmp_path, **limits) as live, live.client(someone()) as client:
        stalled = await until(client, (await ordered(client, "stall"))["id"], seconds=30)
        assert (stalled["status"], stalled["error"]["code"]) == ("FAILED", "STALLED")
        late = await until(client, (await ordered(client, "sleep", options={"seconds": 60}))["id"], seconds=30)
        assert (late["status"], late["error"]["code"]) == ("FAILED", "TIMEOUT")


async def test_a_draining_runner_finishes_what_is_short_and_hands_back_what_is_long(tmp_path):
    async with jobs_with_runner(tmp_path, drain_seconds=1.5, interactive_slots=2) as live:
        user_id = someone()
        await grant_plan(live, user_id, max_running=5)
        async with live.client(user_id) as client:
            short = await ordered(client, "sleep", options={"seconds": 1})
            long = await ordered(client, "sleep", options={"seconds": 60})
            waiting = await ordered(client, "sleep")
            await until(client, long["id"], "PROCESSING")
            # What SIGTERM does by way of the lifespan, while the service goes on answering.
            runner = live.runtime.parts.runner
            await runner._drain([])
            states = [(await client.get(f"/v1/jobs/{job['id']}")).json() for job in (short, long, waiting)]
            assert [state["status"] for state in states] == ["COMPLETED", "PENDING", "PENDING"]
            assert states[1]["reason"] == "released"
            [row] = await live.rows("SELECT failures, crashes, losses FROM job_queue WHERE state = 0 AND attempt = 1")
            assert row == {"failures": 0, "crashes": 0, "losses": 0}
        assert await operator.reconcile(live.runtime) == []


async def test_when_the_warm_parent_dies_its_work_is_handed_back_and_a_new_one_takes_over(live, creator):
    job = await ordered(creator, "sleep", options={"seconds": 2})
    await until(creator, job["id"], "PROCESSING")
    workshop = live.runtime.parts.runner.workshop
    first = workshop.pid
    os.kill(first, signal.SIGKILL)
    done = await until(creator, job["id"], seconds=30)
    assert (done["status"], done["attempt"]) == ("COMPLETED", 2)
    assert workshop.pid != first


async def test_a_job_that_is_over_leaves_no_task_that_waits_for_its_news(live, creator):
    for _ in range(5):
        await until(creator, (await ordered(creator, "sleep", options={"seconds": 0}))["id"])
    runner = live.runtime.parts.runner
    async with asyncio.timeout(10):
        while runner._attempts:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("news.")] == []


async def test_the_warm_parent_has_a_single_thread(live):
    workshop = live.runtime.parts.runner.workshop
    await workshop.wait_until_ready()
    assert len(list(Path(f"/proc/{workshop.pid}/task").iterdir())) == 1
