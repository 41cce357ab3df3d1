"""The platform's own RabbitMQ: nothing is published before its queues would survive a kill."""

import asyncio
import shutil

from deploy.embedded.rabbitmq import RabbitServer, start_rabbitmq
from deploy.home import Home
from shared.contracts.consumers import committed_routes
from shared.events.broker import Topology


def start_broker(home: Home) -> RabbitServer:
    """Start it, or attach to it, with everything declared. Raises RabbitUnavailable.

    A node that was killed before its queues had settled starts anew: no service had run yet, so nothing is in it,
    and its half-made queues would never answer again.
    """
    folder, settled = home.folder / "rabbitmq", home.folder / "rabbitmq.settled"
    killed_young = folder.exists() and not settled.exists()
    broker = start_rabbitmq(folder)
    if killed_young:
        broker.stop()
        shutil.rmtree(folder)
        broker = start_rabbitmq(folder)
    if not settled.exists():
        asyncio.run(Topology(broker.url, committed_routes()).establish())
        settled.touch()
    return broker
