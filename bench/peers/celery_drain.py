"""How fast Celery works off jobs that do nothing, with late acknowledgements from a quorum queue.

Run as a script with the peers' Python: `celery_drain.py AMQP_URL COUNT CHILDREN` prints jobs a second between the first
and the last one done. Each child tells by a byte in a pipe, which costs less than any backend for results.
"""

import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from celery import Celery
from kombu import Queue

AMQP, PIPE = "PEER_AMQP", "PEER_PIPE"
app = Celery("celery_drain", broker=os.environ.get(AMQP, "memory://"))
app.conf.update(
    task_queues=[Queue("peer-drain", queue_arguments={"x-queue-type": "quorum"})],
    task_default_queue="peer-drain",
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=10,
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
)


@cache
def _pipe() -> int:
    return os.open(os.environ[PIPE], os.O_WRONLY)


@app.task(name="peer.noop")
def noop(words: str) -> None:
    del words
    os.write(_pipe(), b".")


def main(count: int, children: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ[PIPE] = str(Path(folder) / "done")
        os.mkfifo(os.environ[PIPE])
        for _ in range(count):
            noop.delay("x" * 100)
        quiet = ("--loglevel", "CRITICAL", "--without-gossip", "--without-mingle", "--without-heartbeat")
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "celery",
            "-A",
            "celery_drain",
            "worker",
            "-c",
            str(children),
            *quiet,
        ]
        worker = subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.DEVNULL)
        try:
            print(_rate(os.environ[PIPE], count))
        finally:
            worker.terminate()
            worker.wait()


def _rate(pipe: str, count: int) -> float:
    with Path(pipe).open("rb", buffering=0) as done:
        seen = len(done.read(1))
        began = time.perf_counter()
        while seen < count:
            seen += len(done.read(65536))
        return (count - 1) / (time.perf_counter() - began)


if __name__ == "__main__":
    os.environ[AMQP] = sys.argv[1]
    app.conf.broker_url = sys.argv[1]
    main(int(sys.argv[2]), int(sys.argv[3]))
