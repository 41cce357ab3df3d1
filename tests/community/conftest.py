import pytest

from tests.support.community import open_village


@pytest.fixture
async def village():
    """The community with its first content."""
    async with open_village() as opened:
        yield opened
