"""The broker stops, dies or freezes, and so does the database: the outbox fills, and drains in order afterwards."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from shared.events.amqp import AmqpTransport
from shared.events.broker import Topology
from shared.events.transport import routes_of
from shared.ids import new_id
from tests.shared.events.topics import EFFECTS, Recorder, story
from tests.support.buses import joined
from tests.support.toy import counter, teller

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

UNSENT = "SELECT count(*) FROM outbox WHERE published_at IS NULL"


async def in_order_once(buses, count):
    effects = await buses.rows("chat", EFFECTS)
    assert [(row["position"], row["times"]) for row in effects] == [(number, 1) for number in range(1, count + 1)]


@asynccontextmanager
async def join(broker, recorder):
    services = teller(), counter(recorder, ordered=True)
    await Topology(broker.url, routes_of(services)).establish()
    async with joined(*services, transport=lambda _, given: AmqpTransport(broker.url, routes_of(given))) as buses:
        yield buses


@pytest.mark.parametrize("ending", ["stop", "kill"])
async def test_events_published_while_the_broker_is_gone_arrive_in_order_when_it_is_back(broker, ending):
    recorder, topic = Recorder(), new_id()
    async with join(broker, recorder) as buses:
        await buses.start()
        events = story(40, topic)
        await buses.publish("community", *events[:10])
        await buses.until_handled("chat", 10)
        getattr(broker, ending)()
        for event in events[10:30]:
            await buses.publish("community", event)
        assert await buses.scalar("community", UNSENT) == 20
        charged = await buses.scalar("community", "SELECT sum(attempts) FROM outbox WHERE published_at IS NULL")
        broker.start_again()
        await buses.publish("community", *events[30:])
        await buses.until_handled("chat", 40)
        await in_order_once(buses, 40)
        assert charged <= 20


async def test_a_broker_that_is_killed_keeps_what_it_confirmed(broker):
    recorder = Recorder()
    async with join(broker, recorder) as buses:
        await buses.start("community")
        await buses.publish("community", *story(50))

        async def sent():
            return await buses.scalar("community", UNSENT) == 0

        await buses.until(sent)
        broker.kill()
        broker.start_again()
        await buses.start("chat")
        await buses.until_handled("chat", 50)
        assert {row["times"] for row in await buses.rows("chat", EFFECTS)} == {1}


async def test_a_frozen_broker_delays_events_and_doubles_none(broker):
    recorder, topic = Recorder(), new_id()
    async with join(broker, recorder) as buses:
        await buses.start()
        events = story(30, topic)
        await buses.publish("community", *events[:10])
        await buses.until_handled("chat", 10)
        broker.freeze()
        await buses.publish("community", *events[10:20])
        # Longer than the time-out of a confirm, so that the relay gives this connection up.
        await asyncio.sleep(7)
        assert await buses.scalar("community", UNSENT) == 10
        broker.thaw()
        await buses.publish("community", *events[20:])
        await buses.until_handled("chat", 30)
        await in_order_once(buses, 30)


async def test_losing_every_database_connection_again_and_again_loses_no_event(broker):
    recorder = Recorder()
    async with join(broker, recorder) as buses:
        await buses.start()
        events = story(200)
        for position in range(0, 200, 20):
            await buses.publish("community", *events[position : position + 20])
            for name in ("chat", "community"):
                await buses.rows(
                    name,
                    """
                    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()
                    """,
                )

        # A worker that lost its connection keeps its lease; the test shortens the wait for it.
        async def handled():
            await buses.rows("chat", "UPDATE inbox SET lease_until = now() WHERE claim IS NOT NULL RETURNING 1")
            return await buses.scalar("chat", "SELECT count(*) FROM inbox WHERE status = 1") == 200

        await buses.until(handled, seconds=60)
        effects = await buses.rows("chat", EFFECTS)
        assert {row["times"] for row in effects} == {1}
        assert sorted(row["position"] for row in effects) == list(range(1, 201))
