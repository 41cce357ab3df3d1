import pytest

from tests.support.billing import open_shop


@pytest.fixture(scope="session")
async def _opened_shop():
    async with open_shop() as opened:
        yield opened


@pytest.fixture
async def shop(_opened_shop):
    """Billing and its Stripe, over real HTTP in both directions; empty at first."""
    await _opened_shop.empty()
    return _opened_shop
