"""What becomes of a message: every outcome, and what a worker does that fails, is slow, or dies."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from shared.contracts.community import ForumTopicCreated
from shared.events.event import on
from shared.events.inbox import Inbox
from shared.events.outcomes import Defer, Reject, Skip
from shared.events.testing import deliver_to
from shared.events.verdicts import DONE, MAX_ATTEMPTS, PARKED, PENDING, RETRY_SECONDS, SKIPPED, verdict_on
from shared.events.worker import Worker
from shared.ids import new_id
from tests.shared.events.topics import EFFECTS, Recorder, opened, story
from tests.support.services import running_service
from tests.support.toy import counter

DUE_NOW = "UPDATE inbox SET next_attempt_at = now()"
STATES = "SELECT sequence, status, attempts, error_class, last_error, claim, next_attempt_at FROM inbox ORDER BY seq"


async def deliver(running, events):
    """Store (event, sequence) pairs in the inbox, as a transport does, without handling them."""
    for event, sequence in events:
        await deliver_to(running.runtime, running.service, event, sequence=sequence)


async def test_a_failed_event_is_tried_again_after_its_pause():
    recorder = Recorder()
    recorder.failures = [RuntimeError("first")]
    async with running_service(counter(recorder)) as running:
        await running.receive(opened())
        [row] = await running.rows(STATES)
        assert (row["status"], row["attempts"], row["error_class"]) == (PENDING, 1, "RuntimeError")
        due_in = (row["next_attempt_at"] - datetime.now(UTC)).total_seconds()
        assert 0.3 < due_in < 1.3
        assert await running.rows(EFFECTS) == []
        await running.rows(f"{DUE_NOW} RETURNING 1")
        await running.bus.drain()
        [row] = await running.rows(STATES)
        assert (row["status"], row["attempts"], row["last_error"]) == (DONE, 2, None)


async def test_an_event_is_parked_after_its_last_retry():
    recorder = Recorder()
    recorder.failures = [RuntimeError("always")] * 100
    async with running_service(counter(recorder)) as running:
        await running.receive(opened())
        for _ in range(len(RETRY_SECONDS) + 3):
            await running.rows(f"{DUE_NOW} RETURNING 1")
            await running.bus.drain()
        [row] = await running.rows(STATES)
        assert (row["status"], row["attempts"]) == (PARKED, MAX_ATTEMPTS)
        assert recorder.attempts == len(RETRY_SECONDS) + 1


@pytest.mark.parametrize(("attempt", "pause"), list(enumerate(RETRY_SECONDS, start=1)))
def test_pauses_grow_by_the_table_with_a_fifth_of_jitter(attempt, pause):
    verdict = verdict_on(RuntimeError(), attempt)
    assert 0.8 * pause <= verdict.delay_seconds <= 1.2 * pause


class Strict(BaseModel):
    number: int


def _invalid():
    try:
        Strict(number="many")
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (Reject("no such plan"), PARKED, "Reject"),
        (_invalid(), PARKED, "ValidationError"),
        (Skip("user is gone"), SKIPPED, "Skip"),
    ],
)
async def test_a_handler_can_end_an_event_at_once(error, status, name):
    recorder = Recorder()
    recorder.failures = [error]
    async with running_service(counter(recorder)) as running:
        await running.receive(opened())
        [row] = await running.rows(STATES)
        assert (row["status"], row["error_class"]) == (status, name)
        assert row["last_error"] == str(error)
        assert await running.rows(EFFECTS) == []


async def test_a_deferred_event_waits_without_using_up_attempts_and_is_not_overtaken():
    recorder = Recorder()
    later = datetime.now(UTC) + timedelta(hours=1)
    recorder.failures = [Defer(later, "too early")] * 20
    async with running_service(counter(recorder, ordered=True)) as running:
        await deliver(running, story(2))
        for _ in range(20):
            await running.bus.drain()
            await running.rows(f"{DUE_NOW} RETURNING 1")
        await running.bus.drain()
        assert [context.sequence for context in recorder.contexts] == [1] * 21 + [2]
        assert [row["status"] for row in await running.rows(STATES)] == [DONE, DONE]


async def test_a_parked_event_holds_up_its_subject_only():
    recorder = Recorder()
    recorder.failures = [Reject("poison")]
    async with running_service(counter(recorder, ordered=True)) as running:
        await deliver(running, [*story(3), *story(2)])
        await running.bus.drain()
        assert [row["status"] for row in await running.rows(STATES)] == [PARKED, PENDING, PENDING, DONE, DONE]
        await deliver(running, story(2))
        await running.bus.drain()
        assert [row["status"] for row in await running.rows(STATES)][5:] == [DONE, DONE]


async def test_a_consumer_may_go_on_behind_a_parked_event():
    recorder = Recorder()
    recorder.failures = [Reject("poison")]
    async with running_service(counter(recorder, ordered=True, on_park="continue")) as running:
        await deliver(running, story(3))
        await running.bus.drain()
        assert [row["status"] for row in await running.rows(STATES)] == [PARKED, DONE, DONE]


async def test_an_unordered_consumer_waits_for_nothing():
    recorder = Recorder()
    recorder.failures = [RuntimeError("first")]
    async with running_service(counter(recorder)) as running:
        await deliver(running, story(3))
        await running.bus.drain()
        assert [row["status"] for row in await running.rows(STATES)] == [PENDING, DONE, DONE]


async def test_the_same_event_delivered_again_is_not_handled_again(counts):
    event_id = await counts.receive(opened())
    await counts.receive(opened(), event_id=event_id)
    assert [row["times"] for row in await counts.rows(EFFECTS)] == [1]


async def test_an_event_newer_than_the_code_is_parked_until_the_code_knows_it(counts):
    await deliver_to(counts.runtime, counts.service, opened())
    await counts.rows("""UPDATE inbox SET envelope = jsonb_set(envelope, '{dataversion}', '2') RETURNING 1""")
    await counts.bus.drain()
    [row] = await counts.rows(STATES)
    assert (row["status"], row["last_error"]) == (PARKED, "unsupported version 2")


async def test_a_type_nobody_knows_is_kept_and_parked(counts):
    inbox = counts.bus.inbox
    await deliver_to(counts.runtime, counts.service, opened())
    [row] = await counts.rows("SELECT envelope FROM inbox")
    await inbox.store([{**row["envelope"], "id": str(new_id()), "type": "moon.landed"}])
    rows = await counts.rows("SELECT consumer, status FROM inbox WHERE type = 'moon.landed'")
    assert [(row["consumer"], row["status"]) for row in rows] == [("chat.unknown", PARKED)]


async def test_a_slow_worker_that_lost_its_lease_leaves_no_effect():
    started, go_on = asyncio.Event(), asyncio.Event()
    recorder = Recorder()

    async def slow_the_first_time(session, event, context):
        await recorder(session, event, context)
        if recorder.attempts == 1:
            started.set()
            await go_on.wait()

    async with running_service(counter(slow_the_first_time)) as running:
        await deliver_to(running.runtime, running.service, opened())
        slow, quick = (Worker(running.runtime, running.bus.inbox) for _ in range(2))
        first = asyncio.create_task(slow.work("chat.counts"))
        await started.wait()
        await running.rows("UPDATE inbox SET lease_until = now() - interval '1 second' RETURNING 1")
        # The second worker's effect has the same key, so it waits for the first one's transaction to end.
        second = asyncio.create_task(quick.work("chat.counts"))
        await recorder.until(2)
        go_on.set()
        await asyncio.gather(first, second)
        assert [row["times"] for row in await running.rows(EFFECTS)] == [1]
        assert [row["status"] for row in await running.rows(STATES)] == [DONE]


async def test_a_batch_that_takes_long_keeps_its_lease():
    async def slow(session, event, context):
        await asyncio.sleep(0.3)

    async with running_service(counter(slow)) as running:
        await deliver(running, story(6))
        first, second = (Worker(running.runtime, running.bus.inbox) for _ in range(2))
        first.lease_seconds = 1
        work = asyncio.create_task(first.work("chat.counts"))
        await asyncio.sleep(1.3)
        assert await second.work("chat.counts") == 0
        assert await work == 6
        assert {row["attempts"] for row in await running.rows(STATES)} == {1}


async def test_an_event_that_kills_its_workers_is_parked_and_takes_no_other_with_it(counts):
    await deliver(counts, [*story(1), *story(1), *story(1)])
    inbox = counts.bus.inbox
    killer = (await counts.rows("SELECT event_id FROM inbox ORDER BY seq LIMIT 1"))[0]["event_id"]
    for _ in range(MAX_ATTEMPTS):
        claimed = await inbox.claim("chat.counts")
        assert killer in {message.event_id for message in claimed}
        await counts.rows(
            "UPDATE inbox SET lease_until = now() - interval '1 second' WHERE claim IS NOT NULL RETURNING 1"
        )
    await counts.bus.drain()
    rows = await counts.rows("SELECT event_id, status, attempts, error_class FROM inbox ORDER BY seq")
    assert (rows[0]["event_id"], rows[0]["status"], rows[0]["error_class"]) == (killer, PARKED, "TooManyCrashes")
    assert [(row["status"], row["attempts"]) for row in rows[1:]] == [(DONE, 2), (DONE, 2)]


async def test_a_stopping_worker_gives_back_what_it_has_not_begun():
    recorder = Recorder()
    async with running_service(counter(recorder)) as running:
        await deliver(running, story(5))
        worker = Worker(running.runtime, running.bus.inbox)

        async def stop_after_two(session, event, context):
            await recorder(session, event, context)
            worker.stopping = recorder.attempts == 2

        object.__setattr__(running.bus.inbox.modes["chat.counts"], "handler", stop_after_two)
        assert await worker.work("chat.counts") == 2
        rows = await running.rows(STATES)
        assert [(row["status"], row["attempts"], row["claim"]) for row in rows[2:]] == [(PENDING, 0, None)] * 3


async def test_a_slow_consumer_keeps_no_other_waiting():
    release, quick = asyncio.Event(), Recorder()

    async def slow(session, event, context):
        await release.wait()

    service = counter(slow)
    object.__setattr__(service, "subscribes", (*service.subscribes, on(ForumTopicCreated, quick, consumer="quick")))
    async with running_service(service, roles=frozenset({"worker"})) as running:
        await deliver(running, story(3))
        await quick.until(3)
        await deliver(running, story(3))
        await quick.until(6)
        release.set()


async def test_the_claim_finds_its_way_through_a_long_backlog():
    """Without its indexes the ordered claim is quadratic: 55 events a second were measured."""
    async with running_service(counter(ordered=True)) as running:
        await running.rows("""
            WITH rows AS (
                INSERT INTO inbox (consumer, event_id, type, subject, sequence, envelope)
                SELECT 'chat.counts', gen_random_uuid(), 'forum.topic_created', 'topic/' || n %% 5000, n, '{}'
                  FROM generate_series(1, 100000) n RETURNING 1)
            SELECT count(*) FROM rows
        """)
        await running.rows("SELECT 1")
        async with running.runtime.database.pool.connection() as connection:
            await connection.execute("ANALYZE inbox")
        inbox: Inbox = running.bus.inbox
        seconds = []
        for _ in range(5):
            began = asyncio.get_running_loop().time()
            assert len(await inbox.claim("chat.counts")) == 20
            assert await inbox.due_consumers() == ["chat.counts"]
            seconds.append(asyncio.get_running_loop().time() - began)
        assert min(seconds) < 0.05
