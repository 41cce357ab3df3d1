"""A process of its own that runs the bus of one or both toy services, until somebody kills it.

`python -m tests.chaos.bus_process '{"run": ["community", "chat"], "urls": {…}, "amqp_url": null}'`
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from typing import Any

from sqlalchemy import text

from shared.clock import SystemClock
from shared.database import Database
from shared.events.amqp import AmqpTransport
from shared.events.bus import Bus
from shared.events.local import LocalTransport
from shared.events.transport import Transport, routes_of
from shared.logging import configure_logging
from shared.service import Service
from tests.support.buses import runtime_of_bus
from tests.support.toy import counter, teller

LEASE_SECONDS = 1.5
# Three kinds of trouble: a slow handler to be killed in, one that fails at times, and one that takes its process along.
SLOWEST_SECONDS = 0.012
FAILING_SHARE = 0.01
DEADLY_CATEGORY = "deadly"

HANDLED = "CREATE TABLE handled (n bigint GENERATED ALWAYS AS IDENTITY, subject text, sequence bigint)"


async def write_down(session: Any, event: Any, context: Any) -> None:
    """Leave one row per effect: a second effect would be a second row, and the rows show the order."""
    values = {"subject": context.subject, "sequence": context.sequence}
    await session.execute(text("INSERT INTO handled (subject, sequence) VALUES (:subject, :sequence)"), values)
    await asyncio.sleep(random.uniform(0, SLOWEST_SECONDS))
    if event.category == DEADLY_CATEGORY:
        os._exit(11)
    if random.random() < FAILING_SHARE:
        raise RuntimeError("bad luck")


def toys() -> tuple[Service, Service]:
    return teller(), counter(write_down, ordered=True)


async def main(orders: dict[str, Any]) -> None:
    services = {service.name: service for service in toys()}
    databases = {name: Database(url, service=name, clock=SystemClock()) for name, url in orders["urls"].items()}
    for database in databases.values():
        await database.open()
    transport = _transport(orders, databases, tuple(services.values()))
    buses = [_bus(services[name], databases[name], transport) for name in orders["run"]]
    for bus in buses:
        await bus.start(relay=True, workers=True)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    for bus in buses:
        await bus.stop()


def _transport(orders: dict[str, Any], databases: dict[str, Database], services: tuple[Service, ...]) -> Transport:
    if orders["amqp_url"]:
        return AmqpTransport(orders["amqp_url"], routes_of(services))
    return LocalTransport(databases, services)


def _bus(service: Service, database: Database, transport: Transport) -> Bus:
    bus = Bus(runtime_of_bus(service, database, transport), service.subscribes)
    bus.worker.lease_seconds = LEASE_SECONDS
    return bus


if __name__ == "__main__":
    configure_logging(level="CRITICAL")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(json.loads(sys.argv[1])))
