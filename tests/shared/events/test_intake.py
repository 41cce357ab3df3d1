"""A fresh batch is stored and handled in one transaction; everything else goes through the inbox first."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from shared.events import intake as intake_module
from shared.events.envelope import envelope_of
from shared.events.intake import Intake
from shared.events.metrics import ID_CONFLICTS
from shared.events.outbox import publish
from shared.events.outcomes import Reject
from shared.events.testing import deliver_to
from shared.events.verdicts import DONE, PARKED, PENDING
from shared.ids import new_id
from tests.shared.events.topics import EFFECTS, Recorder, opened, story
from tests.support.services import running_service
from tests.support.toy import Note, counter

STATES = "SELECT sequence, status, attempts, error_class FROM inbox ORDER BY seq"


def envelopes(*events):
    return [
        envelope_of(event, event_id=new_id(), source="community", sequence=sequence, occurred_at=datetime.now(UTC))
        for event, sequence in events
    ]


def intake_of(running) -> Intake:
    return Intake(running.runtime, running.bus.inbox)


async def states(running):
    return [(row["status"], row["attempts"]) for row in await running.rows(STATES)]


async def test_a_fresh_batch_is_handled_before_receive_returns(counts):
    await intake_of(counts).receive(envelopes(*story(5)), fresh=True)
    assert await states(counts) == [(DONE, 1)] * 5
    assert [row["position"] for row in await counts.rows(EFFECTS)] == [1, 2, 3, 4, 5]


async def test_a_batch_delivered_before_is_stored_first(counts):
    await intake_of(counts).receive(envelopes(*story(2)), fresh=False)
    assert await states(counts) == [(PENDING, 0)] * 2
    assert await counts.rows(EFFECTS) == []


async def test_one_failure_in_a_batch_costs_only_itself_and_those_behind_it():
    recorder = Recorder()
    # Once for the batch without savepoints, once for the careful one.
    recorder.failures = [RuntimeError("first of its subject")] * 2
    async with running_service(counter(recorder, ordered=True)) as running:
        await intake_of(running).receive(envelopes(*story(3), *story(2)), fresh=True)
        assert await states(running) == [(PENDING, 1), (PENDING, 0), (PENDING, 0), (DONE, 1), (DONE, 1)]
        assert len(await running.rows(EFFECTS)) == 2


async def test_a_rejected_event_in_a_batch_is_parked():
    recorder = Recorder()
    recorder.failures = [Reject("no")] * 2
    async with running_service(counter(recorder, ordered=True)) as running:
        await intake_of(running).receive(envelopes(*story(2)), fresh=True)
        assert await states(running) == [(PARKED, 1), (PENDING, 0)]


@pytest.mark.parametrize("state", ["pending", "parked"])
async def test_a_subject_with_something_waiting_is_not_overtaken(state):
    recorder = Recorder()
    async with running_service(counter(recorder, ordered=True)) as running:
        topic = new_id()
        await deliver_to(running.runtime, running.service, opened(topic), sequence=1)
        if state == "parked":
            await running.rows("UPDATE inbox SET status = 2 RETURNING 1")
        await intake_of(running).receive(envelopes((opened(topic), 2), (opened(), 1)), fresh=True)
        assert [status for status, _ in await states(running)] == [PENDING if state == "pending" else PARKED, 0, DONE]


async def test_a_consumer_far_behind_gets_everything_through_its_inbox(counts):
    await counts.rows("""
        WITH rows AS (INSERT INTO inbox (consumer, event_id, type, subject, sequence, envelope)
            SELECT 'chat.counts', gen_random_uuid(), 'forum.topic_created', 'topic/' || n, n, '{}'
              FROM generate_series(1, 200) n RETURNING 1) SELECT count(*) FROM rows
    """)
    await intake_of(counts).receive(envelopes((opened(), 1)), fresh=True)
    assert (await states(counts))[-1] == (PENDING, 0)


async def test_a_batch_that_cannot_commit_is_stored_and_handled_one_by_one():
    async def break_the_commit(session, event, context):
        await session.execute(
            text("CREATE TEMP TABLE IF NOT EXISTS late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP")
        )
        await session.execute(text("INSERT INTO late VALUES (1)"))

    async with running_service(counter(break_the_commit)) as running:
        await intake_of(running).receive(envelopes(*story(3)), fresh=True)
        assert await states(running) == [(PENDING, 0)] * 3
        await running.bus.drain()
        assert await states(running) == [(DONE, 1)] * 3


async def test_the_same_batch_again_changes_nothing(counts):
    batch = envelopes(*story(3))
    await intake_of(counts).receive(batch, fresh=True)
    await intake_of(counts).receive([*batch, *envelopes(*story(1))], fresh=True)
    assert await states(counts) == [(DONE, 1)] * 4
    assert {row["times"] for row in await counts.rows(EFFECTS)} == {1}


async def test_two_deliveries_of_one_batch_at_once_have_one_effect(counts):
    batch = envelopes(*story(20))
    intakes = [intake_of(counts) for _ in range(3)]
    await asyncio.gather(*(intake.receive(batch, fresh=True) for intake in intakes))
    await counts.bus.drain()
    assert await states(counts) == [(DONE, 1)] * 20
    assert {row["times"] for row in await counts.rows(EFFECTS)} == {1}


async def test_a_slow_batch_is_cut_off_and_left_to_the_workers(monkeypatch):
    monkeypatch.setattr(intake_module, "BATCH_SECONDS", 0.1)

    async def slow(session, event, context):
        await asyncio.sleep(0.06)

    async with running_service(counter(slow)) as running:
        await intake_of(running).receive(envelopes(*story(10)), fresh=True)
        begun = [status for status, _ in await states(running)]
        assert begun[:2] == [DONE, DONE]
        assert begun[3:] == [PENDING] * 7
        await running.bus.drain()
        assert {status for status, _ in await states(running)} == {DONE}


async def test_a_batch_gives_way_to_a_lock_instead_of_holding_its_own():
    async def lock_the_key(session, event, context):
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": context.sequence})

    async with running_service(counter(lock_the_key, ordered=True)) as running:
        async with running.runtime.database.pool.connection() as other, other.transaction():
            await other.execute("SELECT pg_advisory_xact_lock(1)")
            async with asyncio.timeout(5):
                await intake_of(running).receive(envelopes(*story(2), (opened(), 3)), fresh=True)
            # What stood in its way is nobody's fault: no attempt is charged.
            assert await states(running) == [(PENDING, 0), (PENDING, 0), (DONE, 1)]
        await running.bus.drain()
        assert [status for status, _ in await states(running)] == [DONE] * 3


async def test_what_a_handler_publishes_is_committed_with_its_effect_or_not_at_all():
    failures = [RuntimeError("after publishing")] * 2

    async def pass_on(session, event, context):
        session.info["service"] = "community"
        await publish(session, opened(event.topic_id), sequence=context.sequence)
        if failures:
            raise failures.pop()

    async with running_service(counter(pass_on)) as running:
        first, second = envelopes((opened(), 1), (opened(), 1))
        await intake_of(running).receive([first, second], fresh=True)
        published = await running.published()
        assert [event["causationid"] for event in published] == [second["id"]]


async def test_a_handler_finds_nothing_of_the_one_before_it_in_its_session():
    seen = []

    async def leave_traces(session, event, context):
        seen.append((len(session.identity_map), len(session.new)))
        session.add(Note(id=new_id(), owner=new_id(), words=str(new_id()), version=1))

    async with running_service(counter(leave_traces)) as running:
        await intake_of(running).receive(envelopes(*story(3)), fresh=True)
        assert seen == [(0, 0)] * 3
        assert (await running.rows("SELECT count(*) AS notes FROM notes"))[0]["notes"] == 3


async def test_the_same_id_with_other_contents_is_counted_and_the_first_one_stays(counts):
    [original] = envelopes((opened(), 1))
    forged = {**original, "data": {**original["data"], "category": "another"}}
    before = ID_CONFLICTS.labels("chat.counts")._value.get()
    await intake_of(counts).receive([original], fresh=False)
    await intake_of(counts).receive([original], fresh=False)
    await intake_of(counts).receive([forged], fresh=False)
    assert ID_CONFLICTS.labels("chat.counts")._value.get() == before + 1
    [row] = await counts.rows("SELECT envelope FROM inbox")
    assert row["envelope"] == original
