import pytest_asyncio

from tests.support.jobs import jobs_service, someone


@pytest_asyncio.fixture
async def svc():
    async with jobs_service(extra_tools="tests.support.job_tools") as running:
        yield running


@pytest_asyncio.fixture
async def user_id():
    return someone()


@pytest_asyncio.fixture
async def client(svc, user_id):
    async with svc.client(user_id) as client:
        yield client
