"""One RabbitMQ per test process that needs one; a given AMQP_URL is used instead."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest

from deploy.embedded.rabbitmq import RabbitServer, start_rabbitmq

SERVICES = ("accounts", "billing", "chat", "jobs", "community")


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    with tempfile.TemporaryDirectory(prefix="atelier-rabbitmq-") as folder:
        server = start_rabbitmq(Path(folder) / "node")
        yield server
        server.stop()


@pytest.fixture
async def clean_broker(rabbitmq: RabbitServer) -> RabbitServer:
    """The broker with nothing of an earlier test in it."""
    connection = await aio_pika.connect(rabbitmq.url)
    async with connection, connection.channel() as channel:
        for name in SERVICES:
            for queue in (f"{name}.in", f"{name}.dead"):
                await channel.queue_delete(queue)
        for exchange in ("events", "events.dead"):
            await channel.exchange_delete(exchange)
    return rabbitmq
