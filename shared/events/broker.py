"""What an operator does with RabbitMQ itself: declare and prune its topology, look into its dead queues, empty them."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.events.amqp import CONFIRM_SECONDS, SETTLE_SECONDS, declare, fetch, operating, subscribed_types, unmarked
from shared.events.metrics import BROKER_DEAD
from shared.events.transport import Routes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message nobody could read, or that was delivered too often."""

    service: str
    type: str | None
    message_id: str | None
    reason: str
    body: bytes


class Topology:
    """The broker's side of the bus: each call has a connection of its own. Raises TransportDown."""

    def __init__(self, url: str, routes: Routes) -> None:
        self._url, self._routes = url, routes

    async def declare(self) -> Mapping[str, list[str]]:
        """Declare exchanges, queues and bindings; returns the types bound to each service's queue."""
        async with operating(self._url) as channel:
            await declare(channel, self._routes)
        return subscribed_types(self._routes)

    async def establish(self) -> Mapping[str, list[str]]:
        """Declare everything on a new broker and wait until it would survive a kill. Call it before any service
        starts: a quorum queue whose broker was killed in its first second never answers again, until it is deleted."""
        declared = await self.declare()
        await asyncio.sleep(SETTLE_SECONDS)
        return declared

    async def rebuild(self, service: str) -> None:
        """Delete a service's queue, with what is in it, and declare it anew; replay sends again what was lost."""
        async with operating(self._url) as channel:
            await channel.queue_delete(f"{service}.in")
            await declare(channel, self._routes)

    async def prune(self, known_types: Iterable[str]) -> None:
        """Remove the bindings of types that a service no longer subscribes to. Repeating it is harmless."""
        async with operating(self._url) as channel:
            exchange = await declare(channel, self._routes)
            for service, types in subscribed_types(self._routes).items():
                queue = await channel.get_queue(f"{service}.in", ensure=False)
                for event_type in sorted(set(known_types) - set(types)):
                    await queue.unbind(exchange, event_type)

    async def count_dead(self) -> dict[str, int]:
        """How many messages lie in each service's dead queue; the gauge is brought up to date."""
        counts: dict[str, int] = {}
        async with operating(self._url) as channel:
            for service in subscribed_types(self._routes):
                queue = await channel.declare_queue(f"{service}.dead", durable=True)
                counts[service] = queue.declaration_result.message_count or 0
                BROKER_DEAD.labels(service).set(counts[service])
        return counts

    async def list_dead(self, service: str, *, limit: int = 100) -> list[DeadLetter]:
        """Look without taking: what was fetched goes back when the channel closes."""
        async with operating(self._url) as channel:
            queue = await channel.declare_queue(f"{service}.dead", durable=True)
            return [
                DeadLetter(
                    service,
                    message.type,
                    message.message_id,
                    str(message.headers.get("x-first-death-reason", "unknown")),
                    message.body,
                )
                async for message in fetch(queue, limit)
            ]

    async def redrive_dead(self, service: str, *, limit: int = 100) -> int:
        """Send dead messages to the service again, as if for the first time; returns how many."""
        count = 0
        async with operating(self._url) as channel:
            queue = await channel.declare_queue(f"{service}.dead", durable=True)
            async for message in fetch(queue, limit):
                await channel.default_exchange.publish(unmarked(message), f"{service}.in", timeout=CONFIRM_SECONDS)
                await message.ack()
                count += 1
        return count

    async def drop_dead(self, service: str, *, limit: int = 100) -> int:
        """Throw dead messages away; returns how many."""
        count = 0
        async with operating(self._url) as channel:
            queue = await channel.declare_queue(f"{service}.dead", durable=True)
            async for message in fetch(queue, limit):
                await message.ack()
                count += 1
        return count
