import pytest

from tests.support.community import begin_again, open_village, remember_beginning


@pytest.fixture(scope="module")
async def running_village():
    """One running service for a module; `village` is what tests take."""
    async with open_village() as opened:
        await remember_beginning(opened)
        yield opened


@pytest.fixture
async def village(running_village):
    """The community with its first content and nothing else."""
    yield running_village
    await begin_again(running_village)
