"""Celery's durable orders: confirmed, persistent messages into a quorum queue, one by one.

Run as a script with the peers' Python: `orders.py AMQP_URL COUNT` prints orders a second.
"""

import sys
import time

from celery import Celery
from kombu import Queue


def main(amqp: str, count: int) -> None:
    app = Celery("peer", broker=amqp)
    app.conf.update(
        task_queues=[Queue("peer-jobs", queue_arguments={"x-queue-type": "quorum"})],
        task_default_queue="peer-jobs",
        broker_transport_options={"confirm_publish": True},
        task_ignore_result=True,
    )

    @app.task(name="peer.job")
    def job(options: dict[str, str]) -> None:
        """Nobody runs it: what is measured is the order."""

    job.delay({"words": "x" * 100})
    began = time.perf_counter()
    for _ in range(count):
        job.delay({"words": "x" * 100})
    print(count / (time.perf_counter() - began))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
