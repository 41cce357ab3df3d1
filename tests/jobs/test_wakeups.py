"""Hints between processes: carried by Postgres and by RabbitMQ, and never needed."""

import asyncio

from services.jobs.wakeups import Signal, Wakeups
from shared.events.amqp import Hints


async def rung(signal: Signal, seen: int = 0) -> bool:
    return await signal.wait(seen, 5)


async def test_a_ring_between_looking_and_waiting_is_not_missed():
    signal = Signal()
    seen = signal.count
    signal.ring()
    assert await signal.wait(seen, 0.01) is True
    assert await signal.wait(signal.count, 0.01) is False


async def test_a_hint_reaches_the_other_processes_by_notify(svc):
    mine, theirs = Wakeups(svc.runtime.database), Wakeups(svc.runtime.database)
    async with mine.open(), theirs.open():
        await heard_at_all(mine.ring, theirs.work)
        cancels = theirs.cancel.count
        mine.ring("cancel", "change")
        assert await rung(theirs.cancel, cancels)


async def test_a_hint_reaches_the_other_processes_over_rabbitmq(rabbitmq):
    """Without a database: what arrives can only have come through the broker."""
    signal, teller, hearer = Signal(), Hints(rabbitmq.url, "jobs.wake"), Hints(rabbitmq.url, "jobs.wake")
    tasks = [asyncio.create_task(teller.listen(lambda _hint: None))]
    tasks.append(asyncio.create_task(hearer.listen(lambda hint: signal.ring() if hint == "work" else None)))
    try:
        async with asyncio.timeout(15):
            while not await signal.wait(0, 0.2):
                await teller.tell("work")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_broker_that_is_away_costs_nothing_but_the_hint(svc):
    wakeups = Wakeups(svc.runtime.database, "amqp://127.0.0.1:1/")
    async with wakeups.open():
        await heard_at_all(wakeups.ring, svc.runtime.parts.wakeups.work)


async def heard_at_all(ring, signal: Signal) -> None:
    """Ring until it is heard: the listener on the other side may still be connecting."""
    async with asyncio.timeout(15):
        seen = signal.count
        while signal.count == seen:
            ring("work")
            await signal.wait(seen, 0.2)
