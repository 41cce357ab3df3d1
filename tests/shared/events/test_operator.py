"""What an operator sees and does: lag, parked events, redrive, discard, replay, retention."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from typer.testing import CliRunner

from deploy.cli import bus
from shared.contracts.community import ForumTopicCreated
from shared.events import retention
from shared.events.event import on
from shared.events.operator import ParkedFilter, discard, lag, parked, redrive, replay
from shared.events.outcomes import Reject
from shared.events.testing import deliver_to
from shared.events.verdicts import DONE, PARKED, PENDING, SKIPPED
from shared.ids import new_id
from tests.shared.events.topics import EFFECTS, Recorder, opened, story
from tests.support.services import running_service
from tests.support.toy import counter, teller

STATES = "SELECT sequence, status, redrive_count, redriven_by, last_error FROM inbox ORDER BY seq"


async def statuses(running):
    return [row["status"] for row in await running.rows(STATES)]


@pytest.fixture
async def stuck():
    """A consumer whose first event of a subject is parked, with two waiting behind it."""
    recorder = Recorder()
    recorder.failures = [Reject("no such plan")]
    async with running_service(counter(recorder, ordered=True)) as running:
        for event, sequence in story(3):
            await deliver_to(running.runtime, running.service, event, sequence=sequence)
        await running.bus.drain()
        running.recorder = recorder
        yield running


async def test_lag_tells_what_waits_and_what_is_parked(stuck):
    found = await lag(stuck.runtime.database, "chat", stuck.bus.inbox.consumers)
    assert (found.service, found.unsent) == ("chat", 0)
    [consumer] = found.consumers
    assert (consumer.consumer, consumer.pending, consumer.parked) == ("chat.counts", 2, 1)
    assert consumer.oldest_seconds > 0


async def test_parked_events_show_what_went_wrong(stuck):
    [event] = await parked(stuck.runtime.database)
    assert (event.consumer, event.type, event.sequence) == ("chat.counts", "forum.topic_created", 1)
    assert (event.error_class, event.last_error) == ("Reject", "no such plan")


async def test_a_redrive_is_dry_unless_told_otherwise(stuck):
    assert await redrive(stuck.bus.inbox, by="operator") == 1
    assert await statuses(stuck) == [PARKED, PENDING, PENDING]


async def test_a_redriven_event_takes_its_old_place_in_the_order(stuck):
    assert await redrive(stuck.bus.inbox, by="operator", dry_run=False) == 1
    await stuck.bus.drain()
    assert [context.sequence for context in stuck.recorder.contexts] == [1, 1, 2, 3]
    assert stuck.recorder.contexts[1].replay
    first = (await stuck.rows(STATES))[0]
    assert (first["status"], first["redrive_count"], first["redriven_by"]) == (DONE, 1, "operator")


@pytest.mark.parametrize(
    "wanted",
    [
        ParkedFilter(consumer="chat.other"),
        ParkedFilter(type="payment.paid"),
        ParkedFilter(subject="topic/1"),
        ParkedFilter(error_class="Skip"),
        ParkedFilter(event_id=str(new_id())),
        ParkedFilter(older_than_seconds=3600),
    ],
)
async def test_a_filter_that_does_not_match_redrives_nothing(stuck, wanted):
    assert await redrive(stuck.bus.inbox, wanted, by="operator", dry_run=False) == 0
    assert await statuses(stuck) == [PARKED, PENDING, PENDING]


async def test_a_redrive_takes_no_more_than_its_limit():
    recorder = Recorder()
    recorder.failures = [Reject("poison")] * 5
    async with running_service(counter(recorder)) as running:
        for event, sequence in story(5):
            await deliver_to(running.runtime, running.service, event, sequence=sequence)
        await running.bus.drain()
        assert await redrive(running.bus.inbox, by="operator", limit=2, dry_run=False) == 2
        assert await statuses(running) == [PENDING, PENDING, PARKED, PARKED, PARKED]


async def test_discarding_needs_a_reason_and_lets_the_others_go_on(stuck):
    database, wanted = stuck.runtime.database, ParkedFilter(error_class="Reject")
    with pytest.raises(ValueError, match="reason"):
        await discard(database, wanted, reason=" ", by="operator", dry_run=False)
    assert await discard(database, wanted, reason="the plan is gone", by="operator") == 1
    assert await statuses(stuck) == [PARKED, PENDING, PENDING]
    assert await discard(database, wanted, reason="the plan is gone", by="operator", dry_run=False) == 1
    await stuck.bus.drain()
    rows = await stuck.rows(STATES)
    assert [row["status"] for row in rows] == [SKIPPED, DONE, DONE]
    assert (rows[0]["last_error"], rows[0]["redriven_by"]) == ("the plan is gone", "operator")


async def test_an_unknown_type_goes_to_its_consumers_once_the_code_knows_them():
    async with running_service(counter()) as running:
        inbox = running.bus.inbox
        await deliver_to(running.runtime, running.service, opened())
        inbox._by_type.clear()
        [row] = await running.rows("DELETE FROM inbox RETURNING envelope")
        await inbox.store([row["envelope"]])
        assert [row["consumer"] for row in await running.rows("SELECT consumer FROM inbox")] == ["chat.unknown"]
        assert await redrive(inbox, by="operator", dry_run=False) == 1
        assert await statuses(running) == [PARKED]
        inbox._by_type["forum.topic_created"] = {"chat.counts": inbox.modes["chat.counts"]}
        assert await redrive(inbox, by="operator", dry_run=False) == 1
        await running.bus.drain()
        assert await statuses(running) == [SKIPPED, DONE]


async def test_a_replay_reaches_the_named_consumer_only(join):
    newcomer, veteran = Recorder(), Recorder()
    service = counter(veteran)
    both = (*service.subscribes, on(ForumTopicCreated, newcomer, consumer="newcomer"))
    async with join(teller(), service) as buses:
        await buses.start()
        began = datetime.now(UTC) - timedelta(minutes=1)
        await buses.publish("community", *story(5))
        await buses.until_handled("chat", 5)
        await buses.stop()
    object.__setattr__(service, "subscribes", both)
    async with join(teller(), service) as buses:
        await buses.start()
        await buses.publish("community", *story(5))
        await buses.until_handled("chat", 10)
        await buses.rows("chat", "DELETE FROM inbox WHERE consumer = 'chat.newcomer' RETURNING 1")
        await buses.rows("chat", "DELETE FROM effects RETURNING 1")
        count = await replay(
            buses.database["community"], buses.transport, "forum.topic_created", to="chat.newcomer", since=began
        )
        assert count == 5
        await buses.until_handled("chat", 10)
        assert veteran.attempts == 10
        assert [context.sequence for context in newcomer.contexts[5:]] == [1, 2, 3, 4, 5]
        assert all(context.replay for context in newcomer.contexts[5:])


async def test_retention_removes_what_is_past_its_time_and_keeps_the_rest(counts):
    ages = {"40 days": DONE, "35 days": PARKED, "34 days": PENDING, "8 days": DONE, "1 hour": DONE}
    for age, status in ages.items():
        await counts.rows(
            """
            INSERT INTO inbox (consumer, event_id, type, subject, envelope, status, done_at, received_at)
            VALUES ('chat.counts', gen_random_uuid(), 'x', %(age)s::text, '{}', %(status)s,
                    CASE WHEN %(status)s = 1 THEN now() - %(age)s::text::interval END, now() - %(age)s::text::interval)
            RETURNING 1
            """,
            age=age,
            status=status,
        )
    for age, sent in (("40 days", True), ("40 days", False), ("1 day", True)):
        await counts.rows(
            """
            INSERT INTO outbox (event_id, type, subject, sequence, envelope, published_at)
            VALUES (gen_random_uuid(), 'x', gen_random_uuid()::text, 1, '{}',
                    CASE WHEN %(sent)s THEN now() - %(age)s::text::interval END) RETURNING 1
            """,
            age=age,
            sent=sent,
        )
    removed = await retention.remove_expired(counts.runtime.database)
    assert removed == {"inbox": 1, "envelopes": 1, "outbox": 1, "idempotency_keys": 0}
    left = await counts.rows("SELECT subject, envelope IS NULL AS emptied FROM inbox ORDER BY seq")
    assert [(row["subject"], row["emptied"]) for row in left] == [
        ("35 days", False),
        ("34 days", False),
        ("8 days", True),
        ("1 hour", False),
    ]
    assert len(await counts.rows("SELECT 1 FROM outbox")) == 2


async def test_metrics_fall_back_to_zero_when_a_consumer_has_caught_up(stuck):
    labels = {"service": "chat", "consumer": "chat.counts"}
    await stuck.bus.measure()
    assert REGISTRY.get_sample_value("inbox_oldest_seconds", labels) > 0
    assert REGISTRY.get_sample_value("inbox_parked", labels) == 1
    assert REGISTRY.get_sample_value("bus_blocked_subjects", {"service": "chat"}) == 1
    await redrive(stuck.bus.inbox, by="operator", dry_run=False)
    await stuck.bus.drain()
    await stuck.bus.measure()
    assert REGISTRY.get_sample_value("inbox_oldest_seconds", labels) == 0
    assert REGISTRY.get_sample_value("inbox_parked", labels) == 0
    assert REGISTRY.get_sample_value("bus_blocked_subjects", {"service": "chat"}) == 0
    assert len(await stuck.rows(EFFECTS)) == 3


@pytest.mark.parametrize("verb", ["redrive", "discard"])
def test_a_consumer_of_no_service_is_refused_with_where_to_look(verb):
    options = {"discard": ["--reason", "mistyped"]}.get(verb, [])
    answer = CliRunner().invoke(bus.app, [verb, "--consumer", "no.such", *options])
    assert answer.exit_code == 2
    assert "bus lag" in answer.output
