"""What both transports promise: the same tests, once without a broker and once through RabbitMQ."""

import pytest

from shared.events.outbox import publish
from shared.events.testing import CrashBeforeMark
from shared.ids import new_id
from tests.shared.events.topics import EFFECTS, Recorder, opened, story
from tests.support.toy import counter, teller


async def test_an_event_has_its_effect_once(join):
    async with join(teller(), counter()) as buses:
        await buses.start()
        await buses.publish("community", (opened(), 1))
        await buses.until_handled("chat", 1)
        assert [row["times"] for row in await buses.rows("chat", EFFECTS)] == [1]


async def test_events_of_a_subject_are_handled_in_order(join):
    recorder = Recorder()
    async with join(teller(), counter(recorder, ordered=True)) as buses:
        await buses.start()
        topic = new_id()
        for event in story(60, topic):
            await buses.publish("community", event)
        await buses.until_handled("chat", 60)
        assert [context.sequence for context in recorder.contexts] == list(range(1, 61))


async def test_an_event_delivered_twice_has_its_effect_once(join):
    async with join(teller(), counter()) as buses:
        buses.transport.duplicate = True
        await buses.start()
        await buses.publish("community", *story(20))
        await buses.until_handled("chat", 20)
        await buses.stop()
        assert {row["times"] for row in await buses.rows("chat", EFFECTS)} == {1}


async def test_a_relay_that_dies_before_it_marks_repeats_without_a_second_effect(join):
    async with join(teller(), counter()) as buses:
        await buses.publish("community", *story(5))
        await buses.start("chat")
        buses.transport.crash = True
        with pytest.raises(CrashBeforeMark):
            await buses.bus["community"].drain()
        assert await buses.scalar("community", "SELECT count(*) FROM outbox WHERE published_at IS NULL") == 5
        buses.transport.crash = False
        await buses.bus["community"].drain()
        await buses.until_handled("chat", 5)
        assert await buses.scalar("community", "SELECT count(*) FROM outbox WHERE published_at IS NULL") == 0
        assert {row["times"] for row in await buses.rows("chat", EFFECTS)} == {1}


async def test_a_rolled_back_transaction_publishes_nothing(join):
    async with join(teller(), counter()) as buses:
        await buses.start()
        with pytest.raises(ZeroDivisionError):
            async with buses.database["community"].write() as session:
                await _publish_and_fail(session)
        await buses.publish("community", (opened(), 1))
        await buses.until_handled("chat", 1)
        assert await buses.scalar("community", "SELECT count(*) FROM outbox") == 1


async def _publish_and_fail(session):
    await publish(session, opened(), sequence=1)
    raise ZeroDivisionError


async def test_what_was_published_before_a_subscriber_ever_ran_waits_for_it(join):
    async with join(teller(), counter()) as buses:
        await buses.start("community")
        await buses.publish("community", *story(3))

        async def sent():
            return not await buses.scalar("community", "SELECT count(*) FROM outbox WHERE published_at IS NULL")

        await buses.until(sent)
        await buses.start("chat")
        await buses.until_handled("chat", 3)


async def test_later_events_wait_for_one_that_failed_and_keep_their_order(join):
    recorder = Recorder()
    recorder.failures = [RuntimeError("not yet")]
    async with join(teller(), counter(recorder, ordered=True)) as buses:
        await buses.start()
        await buses.publish("community", *story(4))
        await buses.until_handled("chat", 4)
        assert [context.sequence for context in recorder.contexts] == [1, 1, 2, 3, 4]
        assert {row["times"] for row in await buses.rows("chat", EFFECTS)} == {1}


async def test_a_batch_the_transport_refuses_is_sent_again_in_order(join):
    recorder = Recorder()
    async with join(teller(), counter(recorder, ordered=True)) as buses:
        buses.transport.refuse = True
        await buses.start()
        await buses.publish("community", *story(3))

        async def refused():
            return await buses.scalar("community", "SELECT count(*) FROM outbox WHERE last_error = 'refused'") == 3

        await buses.until(refused)
        buses.transport.refuse = False
        await buses.until_handled("chat", 3)
        assert [context.sequence for context in recorder.contexts] == [1, 2, 3]


async def test_no_row_is_charged_for_a_transport_that_is_down(join):
    async with join(teller(), counter()) as buses:
        buses.transport.down = True
        await buses.publish("community", *story(3))
        assert await buses.bus["community"].drain() == 0
        rows = await buses.rows("community", "SELECT attempts, last_error, next_attempt_at <= now() AS due FROM outbox")
        assert {row["last_error"] for row in rows} == {None}
        assert all(row["due"] for row in rows)
        buses.transport.down = False
        await buses.start()
        await buses.until_handled("chat", 3)


async def test_a_graceful_stop_leaves_no_lease_and_repeats_nothing(join):
    async with join(teller(), counter()) as buses:
        await buses.start()
        for _ in range(10):
            await buses.publish("community", *story(20))
        await buses.stop()
        assert await buses.scalar("chat", "SELECT count(*) FROM inbox WHERE claim IS NOT NULL") == 0
        await buses.start()
        await buses.until_handled("chat", 200)
        assert {row["times"] for row in await buses.rows("chat", EFFECTS)} == {1}
