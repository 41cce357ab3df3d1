import pytest

from tests.support.services import running_service
from tests.support.toy import counter, teller


@pytest.fixture
async def notes():
    """The publishing toy service, with its HTTP side."""
    async with running_service(teller()) as running:
        yield running


@pytest.fixture
async def counts():
    """The consuming toy service."""
    async with running_service(counter()) as running:
        yield running
