"""Whatever a client sends to any documented route, it gets a documented answer and never a 500."""

import asyncio

import pytest

from services.community.app import service
from services.community.seed import seed
from shared.ids import new_id
from tests.support.fuzzing import fuzzed, operations_of
from tests.support.services import running_service


@pytest.fixture(scope="module")
async def target():
    limits = {"topics_per_hour": 10**6, "comments_per_hour": 10**6, "clicks_per_hour": 10**6}
    async with running_service(service, **limits) as svc:
        await seed(svc.runtime)
        async with fuzzed(svc, new_id()) as found:
            yield found


# It never ends, so that no client here would see its answer; `test_what_others_tell.py` reads it over a socket.
ENDLESS = "/v1/notifications/stream"


@pytest.mark.parametrize(("path", "method"), operations_of(service, without=[ENDLESS]))
async def test_any_input_gets_a_documented_answer(target, path, method):
    await asyncio.to_thread(target.fuzz, path, method)
