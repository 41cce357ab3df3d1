"""Jobs through a real runner: forked children, real files, real endings."""

import pytest_asyncio

from tests.support.jobs import jobs_with_runner, ordered, picture, someone, until, upload


@pytest_asyncio.fixture
async def live(tmp_path):
    async with jobs_with_runner(tmp_path) as running:
        yield running


async def test_a_meme_runs_from_order_to_file(live):
    async with live.client(someone()) as client:
        photo = await upload(client, picture())
        job = await ordered(client, "memes", prompt="it works | on my machine", input_files=[photo])
        done = await until(client, job["id"])
        assert done["status"] == "COMPLETED", done
        file = done["result"]["files"][0]
        content = (await client.get(file["url"])).content
        assert content[:3] == b"\xff\xd8\xff"
        assert len(content) == file["bytes"]
        redirect = await client.get(f"/v1/jobs/{job['id']}/result")
        assert redirect.status_code == 302
        usage = (await client.get("/v1/jobs/usage")).json()
        assert usage["images"]["used"] == 1
        assert usage["ai_generations"] | {"resets_at": ""} == {"used": 1, "reserved": 0, "limit": 10, "resets_at": ""}
