import pytest

from shared.events.amqp import AmqpTransport
from shared.events.local import LocalTransport
from shared.events.transport import routes_of
from tests.support.buses import joined
from tests.support.rabbitmq import clean_broker, rabbitmq

__all__ = ["clean_broker", "rabbitmq"]


@pytest.fixture(params=["local", "amqp"])
def join(request):
    """Join services by each transport in turn: `async with join(teller(), counter()) as buses`."""
    return request.getfixturevalue("join_locally" if request.param == "local" else "join_by_broker")


@pytest.fixture
def join_locally():
    return lambda *services: joined(*services, transport=LocalTransport)


@pytest.fixture
def join_by_broker(clean_broker):
    return lambda *services: joined(
        *services, transport=lambda _, given: AmqpTransport(clean_broker.url, routes_of(given), settle_seconds=0)
    )
