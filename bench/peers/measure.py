"""Our event drain beside faststream-outbox's, and our durable orders beside Celery's."""

import tempfile
from pathlib import Path

import psycopg
import uvloop

from bench.board import Figure
from bench.events import drained
from bench.jobs import orders_a_second
from bench.peers.environment import install, run
from bench.settings import Settings
from deploy.embedded.rabbitmq import start_rabbitmq
from tests.support.postgres import throwaway_server


def measure(settings: Settings) -> list[Figure]:
    """Installs the peers at first."""
    install()
    drain = Figure("E1", "events drained, RabbitMQ", "events/s", "faststream-outbox, tuned, and FastStream", 12)
    orders = Figure("J4", "durable orders, one by one, c1", "jobs/s", "Celery, confirmed, quorum queue", 2)
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder, throwaway_server(durable=True) as server:
        broker = start_rabbitmq(Path(folder) / "node")
        try:
            with psycopg.connect(server.url(), autocommit=True) as admin:
                admin.execute("CREATE DATABASE peers")
            for _ in range(min(settings.runs, 3)):
                theirs = run("drain.py", server.url("peers"), broker.url, str(settings.events))
                drain.add(uvloop.run(drained(broker.url, settings.events)), theirs)
                theirs = run("orders.py", broker.url, str(settings.jobs))
                orders.add(uvloop.run(orders_a_second(settings.jobs)), theirs)
        finally:
            broker.stop()
    return [drain, orders]
