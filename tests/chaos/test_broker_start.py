"""The platform's own broker is killed at its very first start, and the next start finds it in order."""

import asyncio

import aio_pika
import pytest

from deploy.embedded.rabbitmq import start_rabbitmq
from deploy.home import Home
from deploy.processes.broker import start_broker
from shared.contracts.consumers import committed_routes
from shared.events.broker import Topology

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("AMQP_URL", raising=False)
    return Home(tmp_path / "home", 0)


async def take_one(url: str) -> bytes:
    """Publish to a queue and take it back: what a queue that lost its memory does not do."""
    connection = await aio_pika.connect(url, timeout=5)
    async with connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"alive"), "chat.in", timeout=5)
        queue = await channel.get_queue("chat.in", ensure=False)
        async with asyncio.timeout(10), queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                return message.body
    raise AssertionError("nothing came")


def test_a_broker_killed_right_after_its_first_start_keeps_its_queues(home):
    broker = start_broker(home)
    broker.kill()
    broker = start_broker(home)
    try:
        assert asyncio.run(take_one(broker.url)) == b"alive"
    finally:
        broker.stop()


def test_a_broker_killed_while_its_queues_were_made_is_made_anew(home):
    young = start_rabbitmq(home.folder / "rabbitmq")
    asyncio.run(Topology(young.url, committed_routes()).declare())
    young.kill()
    broker = start_broker(home)
    try:
        assert asyncio.run(take_one(broker.url)) == b"alive"
    finally:
        broker.stop()
