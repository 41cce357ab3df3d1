import pytest_asyncio

from shared.ids import new_id
from tests.support.chat import chat_service, start


@pytest_asyncio.fixture
async def svc():
    async with chat_service(word_seconds=0) as running:
        yield running


@pytest_asyncio.fixture
async def user_id():
    return new_id()


@pytest_asyncio.fixture
async def client(svc, user_id):
    async with svc.client(user_id) as client:
        yield client


@pytest_asyncio.fixture
async def visitor(svc):
    async with svc.client() as client:
        yield client


@pytest_asyncio.fixture
async def chat(client):
    return await start(client)
