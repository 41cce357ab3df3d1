"""The relay: in order, one at a time, and marked only with what was confirmed."""

import asyncio

import psycopg
import pytest

from shared.events.outbox import publish
from shared.events.relay import _LOCK, Relay
from shared.ids import new_id
from tests.shared.events.topics import opened, story
from tests.support.services import running_service
from tests.support.toy import teller

UNSENT = "SELECT sequence FROM outbox WHERE published_at IS NULL ORDER BY id"


class Wire:
    """Takes what it is given; refuses the ids in `refuse`, waits for `gate`."""

    tells_redelivery = True

    def __init__(self) -> None:
        self.sent: list[list[int]] = []
        self.refuse: set[int] = set()
        self.gate: asyncio.Event | None = None

    async def send(self, service, rows):
        self.sent.append([row.sequence for row in rows])
        if self.gate:
            await self.gate.wait()
        return {row.id: "refused" for row in rows if row.sequence in self.refuse}


@pytest.fixture
def wire():
    return Wire()


async def tell(notes, events):
    async with notes.runtime.database.write() as session:
        for event, sequence in events:
            await publish(session, event, sequence=sequence)


async def unsent(notes):
    return [row["sequence"] for row in await notes.rows(UNSENT)]


async def test_rows_are_sent_in_the_order_they_were_committed_in(notes, wire):
    relay = Relay(notes.runtime.database, "community", wire)
    for event in story(5):
        await tell(notes, [event])
    assert await relay.run_once() == 5
    assert wire.sent == [[1, 2, 3, 4, 5]]
    assert await unsent(notes) == []


async def test_behind_a_refused_row_its_subject_is_sent_again_and_others_are_not(notes, wire):
    relay = Relay(notes.runtime.database, "community", wire)
    topic, other = new_id(), new_id()
    await tell(notes, [(opened(topic), 1), (opened(other), 2), (opened(topic), 3), (opened(other), 4)])
    wire.refuse = {1}
    assert await relay.run_once() == 2
    assert await unsent(notes) == [1, 3]


async def test_a_new_event_does_not_overtake_an_older_one_that_waits_for_its_retry(notes, wire):
    relay = Relay(notes.runtime.database, "community", wire)
    topic = new_id()
    wire.refuse = {1}
    await tell(notes, [(opened(topic), 1)])
    assert await relay.run_once() == 0
    await notes.rows("UPDATE outbox SET next_attempt_at = now() + interval '1 hour' RETURNING 1")
    wire.refuse = set()
    await tell(notes, [(opened(topic), 2), (opened(), 3)])
    assert await relay.run_once() == 1
    assert await unsent(notes) == [1, 2]
    await notes.rows("UPDATE outbox SET next_attempt_at = now() RETURNING 1")
    assert await relay.run_once() == 2
    assert wire.sent[-1] == [1, 2]


async def test_only_one_relay_sends_at_a_time(notes, wire):
    wire.gate = asyncio.Event()
    first, second = (Relay(notes.runtime.database, "community", wire) for _ in range(2))
    await tell(notes, story(3))
    sending = asyncio.create_task(first.run_once())
    while not wire.sent:  # noqa: ASYNC110 - the wire is asked, it tells nobody
        await asyncio.sleep(0.01)
    assert await second.run_once() == 0
    wire.gate.set()
    assert await sending == 3
    assert len(wire.sent) == 1


async def test_a_frozen_relay_loses_its_lock_and_cannot_mark(notes, wire):
    """Its transaction is ended by the database's own time-out; here an administrator ends it at once."""
    wire.gate = asyncio.Event()
    frozen, heir = (Relay(notes.runtime.database, "community", wire) for _ in range(2))
    await tell(notes, story(2))
    sending = asyncio.create_task(frozen.run_once())
    while not wire.sent:  # noqa: ASYNC110 - the wire is asked, it tells nobody
        await asyncio.sleep(0.01)
    await notes.rows("""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction' AND pid <> pg_backend_pid()
    """)
    wire.gate.set()
    with pytest.raises(psycopg.OperationalError):
        await sending
    assert await unsent(notes) == [1, 2]
    assert await heir.run_once() == 2
    assert await unsent(notes) == []


async def test_the_database_limits_how_long_a_relay_may_stand_still(notes, wire):
    database = notes.runtime.database
    async with database.pool.connection() as connection, connection.transaction():
        await connection.execute(_LOCK)
        row = await (await connection.execute("SHOW idle_in_transaction_session_timeout")).fetchone()
        assert row == {"idle_in_transaction_session_timeout": "15s"}


async def test_an_outage_of_the_database_ends_no_relay():
    async with running_service(teller(), roles=frozenset({"worker"})) as running:
        await running.rows("""
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
        """)
        await tell(running, story(3))
        async with asyncio.timeout(10):
            while await unsent(running):  # noqa: ASYNC110 - the database is asked, it tells nobody
                await asyncio.sleep(0.02)
