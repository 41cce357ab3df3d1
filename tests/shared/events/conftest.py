import tempfile
from pathlib import Path

import aio_pika
import pytest

from deploy.embedded.rabbitmq import start_rabbitmq
from shared.events.amqp import AmqpTransport
from shared.events.local import LocalTransport
from shared.events.transport import routes_of
from tests.support.buses import joined


@pytest.fixture(scope="session")
def rabbitmq():
    """A broker of this process's own; a given AMQP_URL is used instead."""
    with tempfile.TemporaryDirectory(prefix="atelier-rabbitmq-") as folder:
        server = start_rabbitmq(Path(folder) / "node")
        yield server
        server.stop()


@pytest.fixture
async def clean_broker(rabbitmq):
    """The broker with nothing of an earlier test in it."""
    connection = await aio_pika.connect(rabbitmq.url)
    async with connection, connection.channel() as channel:
        for name in ("chat", "community", "billing"):
            for queue in (f"{name}.in", f"{name}.dead"):
                await channel.queue_delete(queue)
        for exchange in ("events", "events.dead"):
            await channel.exchange_delete(exchange)
    return rabbitmq


@pytest.fixture(params=["local", "amqp"])
def join(request):
    """Join services by each transport in turn: `async with join(teller(), counter()) as buses`."""
    if request.param == "local":
        return lambda *services: joined(*services, transport=LocalTransport)
    url = request.getfixturevalue("clean_broker").url
    return lambda *services: joined(*services, transport=lambda _, given: AmqpTransport(url, routes_of(given)))


@pytest.fixture
def join_by_broker(clean_broker):
    return lambda *services: joined(
        *services, transport=lambda _, given: AmqpTransport(clean_broker.url, routes_of(given))
    )


@pytest.fixture
def join_locally():
    return lambda *services: joined(*services, transport=LocalTransport)
