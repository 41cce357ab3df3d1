"""Whatever a client sends to any documented route, it gets a documented answer and never a 500."""

import asyncio

import pytest

from services.jobs.app import service
from tests.support.fuzzing import fuzzed, operations_of
from tests.support.jobs import claimed, grant_plan, jobs_service, ordered, settle, someone

ENDLESS = "/v1/jobs/events"


@pytest.fixture(scope="module")
async def target():
    user_id = someone()
    async with jobs_service(extra_tools="tests.support.job_tools", pool_size=8) as svc:
        await grant_plan(svc, user_id)
        async with svc.client(user_id) as client:
            await ordered(client)
            await settle(svc, await claimed(svc))
        async with fuzzed(svc, user_id) as found:
            yield found


@pytest.mark.parametrize(("path", "method"), operations_of(service, without=[ENDLESS]))
async def test_any_input_gets_a_documented_answer(target, path, method):
    # Waiting as `Prefer` asks is right, and would only make this slow.
    await asyncio.to_thread(target.fuzz, path, method, without=["Prefer"])
