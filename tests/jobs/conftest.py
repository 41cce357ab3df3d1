import pytest_asyncio

from tests.support.jobs import jobs_service, someone
from tests.support.rabbitmq import rabbitmq

__all__ = ["rabbitmq"]


@pytest_asyncio.fixture
async def svc():
    async with jobs_service(extra_tools="tests.support.job_tools") as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def steady():
    """One service for many tests that change nothing they share: a database of their own would cost them more."""
    async with jobs_service(extra_tools="tests.support.job_tools") as running:
        yield running


@pytest_asyncio.fixture
async def visitor(steady):
    """Somebody new at the steady service."""
    async with steady.client(someone()) as client:
        yield client


@pytest_asyncio.fixture
async def user_id():
    return someone()


@pytest_asyncio.fixture
async def client(svc, user_id):
    async with svc.client(user_id) as client:
        yield client
