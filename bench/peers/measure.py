"""Our event drain beside faststream-outbox's, and our durable orders beside Celery's."""

import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import uvloop

from bench.board import Figure
from bench.events import drained
from bench.jobs import orders_a_second
from bench.settings import Settings
from deploy.embedded.rabbitmq import start_rabbitmq
from tests.support.postgres import throwaway_server

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv-peers"
PYTHON = ENVIRONMENT / "bin" / "python"
LOCK = ROOT / "requirements-peers.lock"


def measure(settings: Settings) -> list[Figure]:
    """Installs the peers at first: some 40 packages, from the lock."""
    _install()
    drain = Figure("E1", "events drained, RabbitMQ", "events/s", "faststream-outbox, tuned, and FastStream", 12)
    orders = Figure("J4", "durable orders, one by one, c1", "jobs/s", "Celery, confirmed, quorum queue", 2)
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder, throwaway_server(durable=True) as server:
        broker = start_rabbitmq(Path(folder) / "node")
        try:
            with psycopg.connect(server.url(), autocommit=True) as admin:
                admin.execute("CREATE DATABASE peers")
            for _ in range(min(settings.runs, 3)):
                theirs = _run("drain.py", server.url("peers"), broker.url, str(settings.events))
                drain.add(uvloop.run(drained(broker.url, settings.events)), theirs)
                theirs = _run("orders.py", broker.url, str(settings.jobs))
                orders.add(uvloop.run(orders_a_second(settings.jobs)), theirs)
        finally:
            broker.stop()
    return [drain, orders]


def _install() -> None:
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", LOCK], check=True)


def _run(script: str, *arguments: str) -> float:
    command = [PYTHON, Path(__file__).with_name(script), *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
