"""What only RabbitMQ can do to us: unreadable messages, lost queues and bindings, full queues, two ingesters."""

import asyncio

import aio_pika
import orjson
import pytest

from shared.contracts.community import ForumTopicRemoved
from shared.events import amqp
from shared.events.amqp import AmqpTransport, subscribed_types
from shared.events.broker import Topology
from shared.events.event import on
from shared.events.transport import TransportDown, routes_of
from shared.ids import new_id
from tests.shared.events.topics import EFFECTS, Recorder, story
from tests.support.toy import counter, teller

UNSENT = "SELECT count(*) FROM outbox WHERE published_at IS NULL"


@pytest.fixture
async def channel(clean_broker):
    connection = await aio_pika.connect(clean_broker.url)
    async with connection:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)


@pytest.fixture
def topology(clean_broker):
    return Topology(clean_broker.url, routes_of([teller(), counter()]))


async def test_an_unreadable_message_goes_to_the_dead_queue_and_holds_up_nothing(join_by_broker, channel, topology):
    async with join_by_broker(teller(), counter()) as buses:
        await buses.start()
        await buses.publish("community", *story(1))
        await buses.until_handled("chat", 1)
        for body in (b"not json", b'{"specversion": "0.3"}', b"x" * 70_000):
            await channel.default_exchange.publish(aio_pika.Message(body, message_id="bad"), "chat.in")
        await buses.publish("community", *story(2))
        await buses.until_handled("chat", 3)

        async def buried():
            return (await topology.count_dead())["chat"] == 3

        await buses.until(buried)
        dead = await topology.list_dead("chat")
        assert [letter.reason for letter in dead] == ["rejected"] * 3
        assert dead[0].body == b"not json"
        assert (await topology.count_dead())["chat"] == 3, "looking must not take"


async def test_dead_messages_can_be_sent_again_or_dropped(join_by_broker, channel, topology):
    async with join_by_broker(teller(), counter()) as buses:
        await buses.publish("community", *story(1))
        [row] = await buses.rows("community", "SELECT envelope FROM outbox")
        await topology.declare()
        good = aio_pika.Message(orjson.dumps(row["envelope"]), headers={"x-death": "old", "kept": "yes"})
        await channel.default_exchange.publish(good, "chat.dead")
        for _ in range(2):
            await channel.default_exchange.publish(aio_pika.Message(b"rubbish"), "chat.dead")
        await buses.start("chat")
        assert await topology.redrive_dead("chat", limit=1) == 1
        await buses.until_handled("chat", 1)
        assert await topology.drop_dead("chat") == 2
        assert await topology.count_dead() == {"chat": 0}


async def test_the_topology_can_be_declared_again_and_stale_bindings_pruned(clean_broker, channel, topology):
    assert await topology.declare() == {"chat": ["forum.topic_created"]}
    assert await topology.declare() == {"chat": ["forum.topic_created"]}
    wider = counter()
    removed = on(ForumTopicRemoved, Recorder(), consumer="removals")
    object.__setattr__(wider, "subscribes", (*wider.subscribes, removed))
    await Topology(clean_broker.url, routes_of([wider])).declare()
    exchange = await channel.get_exchange("events")
    await exchange.publish(aio_pika.Message(b"{}"), "forum.topic_removed", mandatory=True)
    await topology.prune(["forum.topic_removed", "forum.topic_created", "payment.paid"])
    with pytest.raises(aio_pika.exceptions.PublishError):
        await exchange.publish(aio_pika.Message(b"{}"), "forum.topic_removed", mandatory=True)
    await exchange.publish(aio_pika.Message(b"{}"), "forum.topic_created", mandatory=True)


async def test_a_subscribed_event_that_reaches_no_queue_is_not_marked_as_sent(join_by_broker, channel):
    async with join_by_broker(teller(), counter()) as buses:
        await buses.publish("community", *story(1))
        await buses.bus["community"].drain()
        await channel.queue_delete("chat.in")
        await buses.publish("community", *story(2))
        await buses.bus["community"].drain()
        rows = await buses.rows("community", "SELECT attempts, last_error FROM outbox WHERE published_at IS NULL")
        assert len(rows) == 2
        assert all(row["attempts"] == 1 and "PublishError" in row["last_error"] for row in rows)
        await buses.start()
        await buses.until_handled("chat", 2)


async def test_an_event_nobody_subscribes_to_is_sent_to_nobody(join_by_broker):
    async with join_by_broker(teller(), counter()) as buses:
        event = ForumTopicRemoved(topic_id=new_id(), user_id=new_id(), category="tests")
        await buses.publish("community", (event, 1))
        await buses.bus["community"].drain()
        assert await buses.scalar("community", UNSENT) == 0


async def test_a_queue_deleted_by_hand_is_declared_again_and_consumption_resumes(join_by_broker, channel):
    async with join_by_broker(teller(), counter()) as buses:
        await buses.start()
        await buses.publish("community", *story(1))
        await buses.until_handled("chat", 1)
        await channel.queue_delete("chat.in")
        await buses.publish("community", *story(3))
        await buses.until_handled("chat", 4)


async def test_a_queue_can_be_built_anew(join_by_broker, channel, topology):
    async with join_by_broker(teller(), counter()) as buses:
        await topology.declare()
        await channel.default_exchange.publish(aio_pika.Message(b"lost"), "chat.in")
        await topology.rebuild("chat")
        assert (await channel.declare_queue("chat.in", passive=True)).declaration_result.message_count == 0
        await buses.start()
        await buses.publish("community", *story(2))
        await buses.until_handled("chat", 2)


async def test_a_full_queue_pushes_back_into_the_outbox_and_nothing_is_lost(clean_broker, join_by_broker):
    clean_broker.ctl("set_policy", "small", "^chat.in$", '{"max-length": 10}', "--apply-to", "queues")
    try:
        async with join_by_broker(teller(), counter(ordered=True)) as buses:
            await buses.start("community")
            await buses.publish("community", *story(100))

            async def nacked():
                return await buses.scalar("community", "SELECT count(*) FROM outbox WHERE last_error IS NOT NULL")

            await buses.until(nacked)
            await buses.start("chat")
            await buses.until_handled("chat", 100)
            effects = await buses.rows("chat", EFFECTS)
            assert [row["position"] for row in effects] == list(range(1, 101))
            assert {row["times"] for row in effects} == {1}
    finally:
        clean_broker.ctl("clear_policy", "small")


async def test_of_two_ingesters_one_is_active_and_the_other_takes_over(clean_broker, join_by_broker):
    recorder = Recorder()
    async with join_by_broker(teller(), counter(recorder, ordered=True)) as buses:
        await buses.start()
        spare = AmqpTransport(clean_broker.url, routes_of(buses.services.values()), settle_seconds=0)
        arrived: list[bool] = []

        class Spare:
            service = "chat"

            async def receive(self, envelopes, *, fresh, only=None):
                arrived.append(fresh)
                await buses.bus["chat"].inbox.store(envelopes, only=only)

        heir = Spare()
        await buses.publish("community", *story(5))
        await buses.until_handled("chat", 5)
        await spare.attach(heir)
        await buses.publish("community", *story(5))
        await buses.until_handled("chat", 10)
        assert arrived == []
        await buses.stop("chat")
        await buses.publish("community", *story(5))

        async def taken_over():
            return await buses.scalar("chat", "SELECT count(*) FROM inbox") == 15

        await buses.until(taken_over)
        await spare.detach(heir)
        await spare.close()
        assert arrived


async def test_a_message_whose_taker_died_is_stored_before_it_is_handled(clean_broker, join_by_broker):
    """The broker marks it as redelivered, and whoever gets it next counts the attempt before it tries."""
    async with join_by_broker(teller(), counter()) as buses:
        await buses.publish("community", *story(3))
        await buses.bus["community"].drain()
        connection = await aio_pika.connect(clean_broker.url)
        taken = asyncio.Event()

        async def take(message):
            taken.set()

        queue = await (await connection.channel()).get_queue("chat.in", ensure=False)
        await queue.consume(take)
        await asyncio.wait_for(taken.wait(), 10)
        await connection.close()
        seen: list[bool] = []
        intake = buses.bus["chat"]._intake

        class Watched:
            service = "chat"

            async def receive(self, envelopes, *, fresh, only=None):
                seen.append(fresh)
                await intake.receive(envelopes, fresh=fresh, only=only)

        watched = Watched()
        await buses.transport.attach(watched)

        async def stored():
            return await buses.scalar("chat", "SELECT count(*) FROM inbox") == 3

        await buses.until(stored)
        await buses.transport.detach(watched)
        assert seen[0] is False


async def test_what_arrives_while_a_failed_connection_closes_is_left_to_the_broker(join_by_broker, monkeypatch):
    """Taken over by the next connection, it would overtake what the broker delivers again."""
    close, positions, attempts = amqp._close, [], []

    async def close_after_another_arrived(connection):
        if len(attempts) == 1:
            await buses.publish("community", *events[1:])
            await buses.bus["community"].drain()
        await close(connection)

    class Failing:
        service = "chat"

        async def receive(self, envelopes, *, fresh, only=None):
            attempts.append(fresh)
            if len(attempts) == 1:
                raise OSError("no space left")
            positions.extend(int(envelope["sequence"]) for envelope in envelopes)

    monkeypatch.setattr(amqp, "_close", close_after_another_arrived)
    async with join_by_broker(teller(), counter()) as buses:
        events, ingest = story(3), Failing()
        await buses.publish("community", *events[:1])
        await buses.bus["community"].drain()
        await buses.transport.attach(ingest)

        async def taken():
            return len(positions) >= len(events)

        await buses.until(taken)
        await buses.transport.detach(ingest)
    assert positions == [1, 2, 3]


async def test_a_broker_that_is_not_there_is_an_outage_and_not_an_error():
    transport = AmqpTransport("amqp://guest:guest@127.0.0.1:1/", {"forum.topic_created": ("chat",)})
    with pytest.raises(TransportDown):
        await transport.send("community", [])
    await transport.close()


def test_every_service_with_a_subscription_has_a_queue():
    routes = {"a": ("chat", "jobs"), "b": ("chat",)}
    assert subscribed_types(routes) == {"chat": ["a", "b"], "jobs": ["a"]}


async def test_an_event_while_the_database_is_away_stays_in_the_queue(join_by_broker):
    async with join_by_broker(teller(), counter()) as buses:
        await buses.start()
        async with buses.database["chat"].pool.connection() as connection:
            await connection.execute("ALTER TABLE inbox RENAME TO inbox_away")
        await buses.publish("community", *story(3))

        async def sent():
            return await buses.scalar("community", UNSENT) == 0

        await buses.until(sent)
        async with buses.database["chat"].pool.connection() as connection:
            await connection.execute("ALTER TABLE inbox_away RENAME TO inbox")
        await buses.until_handled("chat", 3)
