"""Whatever a client sends to any documented route, it gets a documented answer and never a 500."""

import asyncio

import pytest

from services.chat.app import service
from shared.ids import new_id
from tests.support.chat import chat_service
from tests.support.fuzzing import fuzzed, operations_of


@pytest.fixture(scope="module")
async def target():
    async with chat_service() as svc, fuzzed(svc, new_id()) as found:
        yield found


@pytest.mark.parametrize(("path", "method"), operations_of(service))
async def test_any_input_gets_a_documented_answer(target, path, method):
    await asyncio.to_thread(target.fuzz, path, method)
