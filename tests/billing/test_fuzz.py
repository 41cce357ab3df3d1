"""Whatever a client sends to any documented route, it gets a documented answer and never a 500."""

import asyncio

import pytest

from services.billing.app import service
from tests.support.billing import open_shop
from tests.support.fuzzing import fuzzed, operations_of


@pytest.fixture(scope="module")
async def target():
    """With a real Stripe twin behind it, and one customer who bought something."""
    async with open_shop() as shop:
        customer = await shop.register()
        await shop.buy(customer)
        async with fuzzed(shop.svc, customer) as found:
            yield found


@pytest.mark.parametrize(("path", "method"), operations_of(service))
async def test_any_input_gets_a_documented_answer(target, path, method):
    await asyncio.to_thread(target.fuzz, path, method)
