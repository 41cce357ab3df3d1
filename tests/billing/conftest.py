import pytest

from tests.support.billing import open_shop


@pytest.fixture
async def shop():
    """Billing and its Stripe, over real HTTP in both directions."""
    async with open_shop() as opened:
        yield opened
