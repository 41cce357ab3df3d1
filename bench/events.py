"""From a commit to a handled commit, on both transports, beside raw aio-pika on a quorum queue."""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import aio_pika
import uvloop
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from sqlalchemy import text

from bench.board import Figure, percentile
from bench.settings import Settings
from deploy.embedded.rabbitmq import start_rabbitmq
from shared.contracts.community import ForumTopicCreated
from shared.database import WriteSession
from shared.events.amqp import AmqpTransport
from shared.events.event import EventContext
from shared.events.local import LocalTransport
from shared.events.outbox import publish
from shared.events.transport import routes_of
from shared.ids import new_id
from tests.support.buses import Buses, joined
from tests.support.postgres import throwaway_server
from tests.support.toy import counter, teller

BATCH, PRODUCERS = 100, 8
PAUSE_SECONDS = 0.05
PAYLOAD = b"x" * 400

Publish = Callable[[int], Awaitable[None]]


@dataclass
class Handled:
    """A handler with one effect that notes when it was committed."""

    at: dict[UUID, float] = field(default_factory=dict)

    async def __call__(self, session: WriteSession, event: ForumTopicCreated, _context: EventContext) -> None:
        values = {"key": str(event.topic_id)}
        await session.execute(text("INSERT INTO effects (key, times, position) VALUES (:key, 1, 1)"), values)
        session.after_commit(lambda: self.at.__setitem__(event.topic_id, time.perf_counter()))


def measure(settings: Settings) -> list[Figure]:
    os.environ.pop("AMQP_URL", None)
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder, throwaway_server(durable=True):
        broker = start_rabbitmq(Path(folder) / "node")
        try:
            return uvloop.run(_measure(settings, broker.url))
        finally:
            broker.stop()


async def _measure(settings: Settings, url: str) -> list[Figure]:
    raw = "raw aio-pika, quorum"
    drains = {
        "local": Figure("", "events drained, local", "events/s", f"{raw} publish with confirms"),
        "amqp": Figure("E2", "events drained, RabbitMQ", "events/s", f"{raw} publish with confirms", 0.6),
    }
    delays = {
        (name, at): Figure(goal, f"commit to handled at 20/s, {name}, {at}", "ms", f"{raw} round trip", aim, True)
        for name, goal, aims in (("local", "", (None, None)), ("amqp", "E3", (2.5, 3.0)))
        for at, aim in zip(("p50", "p99"), aims, strict=True)
    }
    producer = Figure("E4", "producer transactions with relay", "tx/s", "without any wake-up", 0.9)
    for _ in range(min(settings.runs, 3)):
        rate, delay = await _raw(url, settings)
        for name, drain in drains.items():
            async with _joined(name, url, Handled()) as buses:
                drain.add(await _drain(buses, settings.events), rate)
            handled = Handled()
            async with _joined(name, url, handled) as buses:
                took = await _delays(buses, handled, settings.samples)
            for at, share in (("p50", 0.5), ("p99", 0.99)):
                delays[name, at].add(percentile(took, share), percentile(delay, share))
        async with _joined("local", url, Handled()) as buses:
            producer.add(*await _producers(buses, settings.seconds))
    return [*drains.values(), *delays.values(), producer]


async def drained(url: str, count: int) -> float:
    """Events a second through the broker at `url`."""
    async with _joined("amqp", url, Handled()) as buses:
        return await _drain(buses, count)


def _joined(name: str, url: str, handled: Handled) -> AbstractAsyncContextManager[Buses]:
    services = teller(), counter(handled)
    if name == "local":
        return joined(*services, transport=LocalTransport)
    return joined(*services, transport=lambda _, given: AmqpTransport(url, routes_of(given), settle_seconds=0))


def _topic() -> ForumTopicCreated:
    return ForumTopicCreated(topic_id=new_id(), user_id=new_id(), category="bench")


async def _drain(buses: Buses, count: int) -> float:
    """Events a second from the start of relay and consumer to the last handled commit."""
    for begin in range(0, count, BATCH):
        await buses.publish("community", *((_topic(), 1) for _ in range(min(BATCH, count - begin))))
    began = time.perf_counter()
    await buses.start()
    await buses.until_handled("chat", count)
    return count / (time.perf_counter() - began)


async def _delays(buses: Buses, handled: Handled, samples: int) -> list[float]:
    """Milliseconds from each commit to the commit of its effect, at twenty a second."""
    await buses.start()
    await buses.publish("community", (_topic(), 1))
    await buses.until_handled("chat", 1)
    committed = {}
    for _ in range(samples):
        topic = _topic()
        await buses.publish("community", (topic, 1))
        committed[topic.topic_id] = time.perf_counter()
        await asyncio.sleep(PAUSE_SECONDS)
    await buses.until_handled("chat", samples + 1)
    return [1000 * max(0.0, handled.at[topic] - at) for topic, at in committed.items()]


async def _producers(buses: Buses, seconds: float) -> tuple[float, float]:
    """Transactions a second that write an event, with the relay at work and without one."""
    quiet = await _produce(buses, seconds)
    await buses.start()
    return await _produce(buses, seconds), quiet


async def _produce(buses: Buses, seconds: float) -> float:
    database, until, done = buses.database["community"], time.perf_counter() + seconds, 0

    async def produce() -> None:
        nonlocal done
        while time.perf_counter() < until:
            async with database.write() as session:
                await publish(session, _topic(), sequence=1)
            done += 1

    await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
    return done / seconds


async def _raw(url: str, settings: Settings) -> tuple[float, list[float]]:
    """Confirmed publishes a second in hundreds, and the milliseconds of single round trips at twenty a second."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        name = f"bench-{new_id()}"
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        began = time.perf_counter()
        for begin in range(0, settings.events, BATCH):
            await asyncio.gather(*(_send(channel, name) for _ in range(min(BATCH, settings.events - begin))))
        rate = settings.events / (time.perf_counter() - began)
        await queue.purge()
        arrived: asyncio.Queue[float] = asyncio.Queue()

        async def take(message: AbstractIncomingMessage) -> None:
            arrived.put_nowait(time.perf_counter())
            await message.ack()

        await queue.consume(take)
        took = []
        for _ in range(settings.samples):
            sent = time.perf_counter()
            await _send(channel, name)
            took.append(1000 * (await arrived.get() - sent))
            await asyncio.sleep(PAUSE_SECONDS)
        await queue.delete(if_unused=False, if_empty=False)
        return rate, took


async def _send(channel: AbstractChannel, name: str) -> None:
    message = aio_pika.Message(PAYLOAD, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await channel.default_exchange.publish(message, name, timeout=10)
