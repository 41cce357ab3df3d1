"""A full disk: requests are refused and say so, events wait in order, and all goes on when there is space again."""

import pytest

from shared.events.amqp import AmqpTransport
from shared.events.transport import routes_of
from shared.ids import new_id
from tests.shared.events.topics import EFFECTS, Recorder, story
from tests.support.buses import joined
from tests.support.full_disks import no_room_for, no_room_in
from tests.support.rabbitmq import clean_broker, rabbitmq
from tests.support.toy import counter, teller

__all__ = ["clean_broker", "rabbitmq"]
UNSENT = "SELECT count(*) FROM outbox WHERE published_at IS NULL"


@pytest.fixture
async def buses(clean_broker):
    """Joined by a broker, with a consumer that asks for order."""
    services = teller(), counter(Recorder(), ordered=True)
    async with joined(
        *services, transport=lambda _, given: AmqpTransport(clean_broker.url, routes_of(given), settle_seconds=0)
    ) as buses:
        yield buses


async def handled_in_order_once(buses, count):
    await buses.until_handled("chat", count)
    effects = await buses.rows("chat", EFFECTS)
    assert [(row["position"], row["times"]) for row in effects] == [(number, 1) for number in range(1, count + 1)]


@pytest.mark.parametrize("table", ["notes", "outbox"])
async def test_a_request_that_cannot_be_stored_asks_to_come_back_and_leaves_nothing(notes, table):
    headers = {"Idempotency-Key": "key-1"}
    async with notes.client(new_id()) as client:
        async with no_room_for(notes.runtime.database, table):
            refused = await client.post("/v1/notes", json={"words": "once"}, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
            assert refused.headers["retry-after"]
            assert (await client.get("/v1/notes-open")).status_code == 200
        assert await notes.published() == []
        taken = await client.post("/v1/notes", json={"words": "once"}, headers=headers)
        assert taken.status_code == 201
    assert len(await notes.published("forum.topic_created")) == 1


async def test_events_wait_in_the_queue_for_a_consumer_without_space(buses):
    async with no_room_for(buses.database["chat"], "inbox"):
        await buses.start()
        await buses.publish("community", *story(20))

        async def sent():
            return await buses.scalar("community", UNSENT) == 0

        await buses.until(sent)
        assert await buses.scalar("chat", "SELECT count(*) FROM effects") == 0
    await handled_in_order_once(buses, 20)


async def test_events_wait_in_the_outbox_for_a_broker_without_space(buses, clean_broker, monkeypatch):
    monkeypatch.setattr("shared.events.amqp.CONFIRM_SECONDS", 1)
    await buses.start()
    topic = new_id()
    events = story(30, topic)
    await buses.publish("community", *events[:10])
    await buses.until_handled("chat", 10)
    with no_room_in(clean_broker):
        await buses.publish("community", *events[10:20])

        async def refused():
            return buses.bus["community"]._relay._failures > 0

        await buses.until(refused)
        assert await buses.scalar("community", UNSENT) == 10
    await buses.publish("community", *events[20:])
    await handled_in_order_once(buses, 30)
