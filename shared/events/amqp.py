"""The transport over RabbitMQ, 3.10 to 4.x. The only module that knows aio-pika.

RabbitMQ is a pipe: what it holds is on its way from an outbox to an inbox, and every right of a message lies there.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import aio_pika
import orjson
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
)
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelNotFoundEntity, DeliveryError
from aiormq.abc import AbstractChannel as Wire
from aiormq.abc import DeliveredMessage
from yarl import URL

from shared.events.envelope import NotAnEnvelope, OutboxRow, read_envelope
from shared.events.transport import Ingest, Routes, TransportDown
from shared.logging import get_logger

EXCHANGE, DEAD_EXCHANGE = "events", "events.dead"
# Published by replay for one consumer of a service only.
ONLY_HEADER = "bus-only-consumer"
CONTENT_TYPE = "application/cloudevents+json"
CONNECT_SECONDS = 5
CONFIRM_SECONDS = 5
HEARTBEAT_SECONDS = 10
PREFETCH = 200
INGEST_BATCH = 100
SLOWEST_RETRY_SECONDS = 10.0
# Positive and large: without a limit 3.10 forgets the place of what is requeued, and attempts are counted in the inbox.
DELIVERY_LIMIT = 1000
# A service that is away this long pushes back into the publishers' outboxes. A policy can lower it, never raise it.
QUEUE_BYTES = 1 << 30
# A quorum queue younger than a second is forgotten, with what it confirmed, when its broker is killed (seen on 3.10.8).
SETTLE_SECONDS = 2.0
HINT_RETRY_SECONDS = 2.0
HINT_QUEUE: dict[str, Any] = {"x-max-length": 16, "x-message-ttl": 5000}
BROKER_ERRORS = (*CONNECTION_EXCEPTIONS, TimeoutError)

log = get_logger(__name__)


class AmqpTransport:
    """One connection for publishing and one for each attached ingest; made when needed, and anew when lost."""

    tells_redelivery = True

    def __init__(self, url: str, routes: Routes, *, settle_seconds: float = SETTLE_SECONDS) -> None:
        self._url, self._routes, self._settle_seconds = url, routes, settle_seconds
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._connecting = asyncio.Lock()
        self._consumers: dict[str, tuple[_Consumer, asyncio.Task[None]]] = {}

    async def send(self, service: str, rows: Sequence[OutboxRow]) -> dict[int, str | None]:  # noqa: ARG002
        """Publish and wait for every confirm: subjects beside each other, the events of one subject one by one.

        A full queue that is drained meanwhile refuses an event and takes the next: sent together they would change
        places. One subject's events leave at a confirm's pace, some hundreds a second.
        """
        exchange = await (await self._publishing()).get_exchange(EXCHANGE, ensure=False)
        by_subject: dict[str, list[OutboxRow]] = {}
        for row in rows:
            by_subject.setdefault(row.subject, []).append(row)
        found = await asyncio.gather(*(self._publish_in_order(exchange, each) for each in by_subject.values()))
        failures = {row_id: failure for each in found for row_id, failure in each.items()}
        if any(not isinstance(failure, DeliveryError) for failure in failures.values()):
            # A frozen broker answers nothing; only a new connection can tell whether it lives.
            await self.close_publisher()
            if len(failures) == len(rows):
                raise TransportDown(_reason(failures[rows[0].id]))
        return {row_id: _reason(failure) for row_id, failure in failures.items()}

    async def send_to(self, consumer: str, rows: Sequence[OutboxRow]) -> None:
        default = (await self._publishing()).default_exchange
        queue = f"{consumer.split('.', maxsplit=1)[0]}.in"
        messages = [_message({**row.envelope, "replay": True}, row, {ONLY_HEADER: consumer}) for row in rows]
        async with asyncio.TaskGroup() as group:
            for message in messages:
                group.create_task(default.publish(message, queue, timeout=CONFIRM_SECONDS))

    async def attach(self, ingest: Ingest) -> None:
        if ingest.service not in subscribed_types(self._routes):
            return
        consumer = _Consumer(self._url, self._routes, ingest)
        self._consumers[ingest.service] = consumer, asyncio.create_task(consumer.run(), name=f"{ingest.service}.ingest")

    async def detach(self, ingest: Ingest) -> None:
        if ingest.service in self._consumers:
            consumer, task = self._consumers.pop(ingest.service)
            consumer.stop()
            await task

    async def close(self) -> None:
        await self.close_publisher()

    async def close_publisher(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection:
            await _close(connection)

    async def _publishing(self) -> AbstractChannel:
        """A live channel with everything declared. Raises TransportDown."""
        async with self._connecting:
            if self._channel and not self._channel.is_closed:
                return self._channel
            await self.close_publisher()
            try:
                self._connection = await _connect(self._url, "relay")
                established = await _is_declared(self._connection, self._routes)
                channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                await declare(channel, self._routes)
                if not established:
                    await asyncio.sleep(self._settle_seconds)
                self._channel = channel
            except BROKER_ERRORS as error:
                await self.close_publisher()
                raise TransportDown(_reason(error)) from error
            return self._channel

    async def _publish_in_order(
        self, exchange: AbstractExchange, rows: Sequence[OutboxRow]
    ) -> dict[int, BaseException]:
        """What failed, by row; behind a failure nothing is sent."""
        for position, row in enumerate(rows):
            failure = await self._publish(exchange, row)
            if failure is not None:
                return {later.id: failure for later in rows[position:]}
        return {}

    async def _publish(self, exchange: AbstractExchange, row: OutboxRow) -> BaseException | None:
        try:
            # A type somebody subscribes to must reach a queue; others may go nowhere.
            mandatory = row.type in self._routes
            await exchange.publish(_message(row.envelope, row), row.type, mandatory=mandatory, timeout=CONFIRM_SECONDS)
        except BROKER_ERRORS as error:
            return error
        return None


class _Consumer:
    """Takes a service's queue in: batch by batch, acknowledged when the ingest has it safe."""

    def __init__(self, url: str, routes: Routes, ingest: Ingest) -> None:
        self._url, self._routes, self._ingest = url, routes, ingest
        self._changed = asyncio.Event()
        self._lost = self._stopping = False
        self._pause = 1.0

    def stop(self) -> None:
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Consume until stopped. Broker or database away: let go of the queue, which keeps its messages, and try
        again after a growing pause."""
        while not self._stopping:
            try:
                async with self._open() as wire:
                    await self._consume(wire)
            except Exception as error:  # noqa: BLE001 - nothing may end the intake for good
                log.warning("ingest_interrupted", service=self._ingest.service, reason=_reason(error))
            if not self._stopping:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._pause)
                self._pause = min(self._pause * 2, SLOWEST_RETRY_SECONDS)

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[Wire]:
        connection = await _connect(self._url, f"{self._ingest.service} ingest")
        try:
            channel = await connection.channel(publisher_confirms=False)
            await declare(channel, self._routes)
            wire = await channel.get_underlay_channel()
            self._lost = False
            wire.on_consumer_cancel_callbacks.add(self._lose)
            channel.close_callbacks.add(self._lose)
            yield wire
        finally:
            await _close(connection)

    async def _consume(self, wire: Wire) -> None:
        # Of this connection alone: what arrives while it closes is delivered again, and would overtake others.
        arrived: deque[DeliveredMessage] = deque()

        async def arrive(message: DeliveredMessage) -> None:
            arrived.append(message)
            self._changed.set()

        await wire.basic_qos(prefetch_count=PREFETCH)
        consumer = await wire.basic_consume(f"{self._ingest.service}.in", arrive, timeout=CONNECT_SECONDS)
        while not (self._stopping or self._lost):
            if arrived:
                # Whatever is there, never waiting for more: batches grow by themselves under load.
                batch = [arrived.popleft() for _ in range(min(len(arrived), INGEST_BATCH))]
                await self._take(wire, batch)
                self._pause = 1.0
            else:
                self._changed.clear()
                await self._changed.wait()
        if not self._lost and consumer.consumer_tag:
            await wire.basic_cancel(consumer.consumer_tag, timeout=CONNECT_SECONDS)

    async def _take(self, wire: Wire, batch: Sequence[DeliveredMessage]) -> None:
        readable: list[tuple[DeliveredMessage, dict[str, Any]]] = []
        for message in batch:
            try:
                readable.append((message, read_envelope(message.body)))
            except NotAnEnvelope as error:
                log.error("message_unreadable", service=self._ingest.service, reason=str(error))  # noqa: TRY400
                await wire.basic_reject(_tag(message), requeue=False)
        fresh = not any(message.redelivered for message, _ in readable)
        for only, run in groupby(readable, key=lambda entry: _only(entry[0])):
            await self._ingest.receive([envelope for _, envelope in run], fresh=fresh, only=only)
        if readable:
            await wire.basic_ack(_tag(readable[-1][0]), multiple=True)

    def _lose(self, *_: object) -> None:
        self._lost = True
        self._changed.set()


class Hints:
    """Broadcasts between the processes of one service, which may be lost: whoever hears none looks by himself.

    A fanout exchange, and for each process a queue that holds a few hints for seconds and dies with its connection.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        self._exchange: AbstractExchange | None = None

    async def listen(self, hear: Callable[[str], None]) -> None:
        """Hear hints until cancelled, on a new connection whenever the broker went away."""
        while True:
            try:
                await self._listen(hear)
            except BROKER_ERRORS as error:
                log.warning("hints_not_heard", name=self._name, reason=_reason(error))
            await asyncio.sleep(HINT_RETRY_SECONDS)

    async def tell(self, hint: str) -> None:
        """Send a hint, or lose it without a word while the broker is away."""
        if self._exchange is not None:
            with contextlib.suppress(*BROKER_ERRORS):
                await self._exchange.publish(aio_pika.Message(hint.encode()), "", mandatory=False, timeout=1)

    async def _listen(self, hear: Callable[[str], None]) -> None:
        connection, lost = await _connect(self._url, self._name), asyncio.Event()
        try:
            channel = await connection.channel(publisher_confirms=False)
            channel.close_callbacks.add(lambda *_: lost.set())
            exchange = await channel.declare_exchange(self._name, aio_pika.ExchangeType.FANOUT, durable=True)
            queue = await channel.declare_queue(exclusive=True, arguments=HINT_QUEUE)
            await queue.bind(exchange)

            async def take(message: AbstractIncomingMessage) -> None:
                hear(message.body.decode(errors="replace"))

            await queue.consume(take, no_ack=True)
            self._exchange = exchange
            await lost.wait()
        finally:
            self._exchange = None
            await _close(connection)


async def declare(channel: AbstractChannel, routes: Routes) -> AbstractExchange:
    """Declare everything, for every service: an event published before a subscriber ever ran must wait for it."""
    exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
    dead = await channel.declare_exchange(DEAD_EXCHANGE, aio_pika.ExchangeType.DIRECT, durable=True)
    for service, types in subscribed_types(routes).items():
        queue = await channel.declare_queue(f"{service}.in", durable=True, arguments=_queue_arguments(service))
        # Classic on purpose: a look into a quorum queue counts as a delivery, and 4.x destroys what is seen often.
        buried = await channel.declare_queue(f"{service}.dead", durable=True)
        await buried.bind(dead, service)
        for event_type in types:
            await queue.bind(exchange, event_type)
    return exchange


async def _is_declared(connection: AbstractConnection, routes: Routes) -> bool:
    channel = await connection.channel()
    try:
        for service in subscribed_types(routes):
            await channel.get_queue(f"{service}.in")
    except ChannelNotFoundEntity:
        return False
    await channel.close()
    return True


def subscribed_types(routes: Routes) -> Mapping[str, list[str]]:
    """The types of each service that subscribes to any."""
    services = sorted({service for subscribers in routes.values() for service in subscribers})
    return {name: sorted(kind for kind, subscribers in routes.items() if name in subscribers) for name in services}


def _queue_arguments(service: str) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": service,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length-bytes": QUEUE_BYTES,
    }


@contextlib.asynccontextmanager
async def operating(url: str) -> AsyncIterator[AbstractChannel]:
    """A channel for the length of the block; what was fetched and not acknowledged goes back. Raises TransportDown."""
    try:
        connection = await _connect(url, "operator")
    except BROKER_ERRORS as error:
        raise TransportDown(_reason(error)) from error
    try:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)
    finally:
        await _close(connection)


async def fetch(queue: AbstractQueue, limit: int) -> AsyncIterator[AbstractIncomingMessage]:
    """Up to `limit` messages, each to be acknowledged by whoever wants it gone."""
    for _ in range(limit):
        message = await queue.get(fail=False)
        if message is None:
            return
        yield message


def unmarked(message: AbstractIncomingMessage) -> aio_pika.Message:
    """The message without the broker's own marks, by which it would go on counting from before."""
    return aio_pika.Message(
        message.body,
        content_type=message.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=message.message_id,
        type=message.type,
        headers={name: value for name, value in message.headers.items() if not name.startswith("x-")},
    )


def _message(envelope: Mapping[str, Any], row: OutboxRow, headers: dict[str, Any] | None = None) -> aio_pika.Message:
    return aio_pika.Message(
        orjson.dumps(envelope),
        content_type=CONTENT_TYPE,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=str(row.event_id),
        type=row.type,
        headers=headers or {},
    )


async def _connect(url: str, name: str) -> AbstractConnection:
    address = URL(url)
    if "heartbeat" not in address.query:
        address %= {"heartbeat": str(HEARTBEAT_SECONDS)}
    properties: dict[str, Any] = {"connection_name": f"atelier {name}"}
    return await aio_pika.connect(address, timeout=CONNECT_SECONDS, client_properties=properties)


async def _close(connection: AbstractConnection) -> None:
    """Close without waiting for a broker that no longer answers."""
    with contextlib.suppress(*BROKER_ERRORS):
        await asyncio.wait_for(connection.close(), 1)


def _only(message: DeliveredMessage) -> str | None:
    only = (message.header.properties.headers or {}).get(ONLY_HEADER)
    return str(only) if only else None


def _tag(message: DeliveredMessage) -> int:
    assert message.delivery_tag is not None
    return message.delivery_tag


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
