"""One RabbitMQ per test process that needs one; a given AMQP_URL is used instead."""

import os
import signal
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


class Node:
    """A broker that may be mistreated, and comes back at its old address."""

    def __init__(self, folder):
        self._folder = folder
        self._server = start_rabbitmq(folder)
        self.url = f"{self._server.url}?heartbeat=2"

    def stop(self):
        self._server.stop()

    def kill(self):
        self._server.kill()

    def freeze(self):
        os.killpg(self._server.pid, signal.SIGSTOP)

    def thaw(self):
        os.killpg(self._server.pid, signal.SIGCONT)

    def start_again(self):
        self._server = start_rabbitmq(self._folder)

    def end(self):
        if self._server.is_running():
            self.thaw()
        self.stop()


@pytest.fixture
def broker(tmp_path, monkeypatch):
    monkeypatch.delenv("AMQP_URL", raising=False)
    node = Node(tmp_path / "node")
    yield node
    node.end()
