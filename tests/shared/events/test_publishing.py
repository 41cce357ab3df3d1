"""Events are rows of their cause's transaction, and the same envelope whoever writes it."""

from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from sqlalchemy.exc import IntegrityError

from shared import migrations
from shared.contracts.accounts import UserRegistered
from shared.contracts.community import FaqItemPublished
from shared.database import WriteSession
from shared.events import tracing
from shared.events.envelope import EventTooLarge, NotAnEnvelope, envelope_of, read_envelope
from shared.events.outbox import NotThePublisher, PublishedOutsideTransaction, publish
from shared.ids import new_id
from tests.shared.events.topics import opened
from tests.support.toy import teller


async def test_an_event_without_a_transaction_is_refused(notes):
    session = WriteSession(notes.runtime.database._write_engine, info=notes.runtime.database._info())
    with pytest.raises(PublishedOutsideTransaction):
        await publish(session, opened(), sequence=1)
    await session.close()


async def test_only_the_contracts_publisher_may_publish(notes):
    event = UserRegistered.model_construct(user_id=new_id())
    async with notes.runtime.database.write() as session:
        with pytest.raises(NotThePublisher):
            await publish(session, event, sequence=1)


async def test_a_forgotten_version_bump_is_caught(notes):
    topic = new_id()
    async with notes.runtime.database.write() as session:
        await publish(session, opened(topic), sequence=1)
        with pytest.raises(IntegrityError, match="outbox_subject_sequence_type_key"):
            await publish(session, opened(topic), sequence=1)
        await session.rollback()
    assert await notes.published() == []


async def test_an_event_over_64_kib_is_refused_where_it_is_published(notes):
    event = FaqItemPublished.model_construct(item_id=new_id(), answer="x" * 70_000)
    async with notes.runtime.database.write() as session:
        with pytest.raises(EventTooLarge):
            await publish(session, event, sequence=1)


async def test_the_envelope_says_where_from_when_and_why(notes):
    topic = new_id()
    with tracing.caused_by({"id": "cause", "correlationid": "request-1"}):
        async with notes.runtime.database.write() as session:
            event_id = await publish(session, opened(topic), sequence=7, actor="user:1")
    envelope = (await notes.published())[0]
    assert envelope["id"] == str(event_id)
    assert envelope["source"] == "/services/community"
    assert envelope["type"] == "forum.topic_created"
    assert envelope["subject"] == f"topic/{topic}"
    assert envelope["sequence"] == "00000000000000000007"
    assert envelope["dataschema"] == "urn:schema:forum.topic_created:1"
    assert (envelope["correlationid"], envelope["causationid"], envelope["actor"]) == ("request-1", "cause", "user:1")
    assert datetime.fromisoformat(envelope["time"]) == notes.clock.now()


async def test_sql_writes_the_same_envelope_as_python(notes):
    event, moment = opened(), datetime(2026, 3, 1, 12, 30, 15, 42, tzinfo=UTC)
    data = event.model_dump_json()
    rows = await notes.rows(
        """
        SELECT outbox_add('forum.topic_created', %(subject)s, 12, %(data)s::jsonb, '/services/community', 1,
                          %(moment)s, 'user:1') AS event_id
        """,
        subject=event.event_subject,
        data=data,
        moment=moment,
    )
    expected = envelope_of(
        event, event_id=rows[0]["event_id"], source="community", sequence=12, occurred_at=moment, actor="user:1"
    )
    stored = await notes.rows("SELECT * FROM outbox")
    assert stored[0]["envelope"] == expected
    assert (stored[0]["sequence"], stored[0]["occurred_at"]) == (12, moment)


async def test_ids_made_in_sql_are_version_7_and_sorted_by_time(notes):
    rows = await notes.rows("SELECT atelier_uuid7() AS id, pg_sleep(0.002) FROM generate_series(1, 20)")
    ids: list[UUID] = [row["id"] for row in rows]
    assert {made.version for made in ids} == {7}
    assert {made.variant for made in ids} == {"specified in RFC 4122"}
    assert ids == sorted(ids)
    assert abs((ids[-1].int >> 80) / 1000 - datetime.now(UTC).timestamp()) < 60


async def test_the_migration_creates_what_the_models_say(notes):
    assert migrations.differences(teller(), notes.runtime.settings.database_url) == []


async def test_the_storage_options_of_migration_and_models_agree(notes):
    rows = await notes.rows(
        "SELECT relname, relpersistence, reloptions FROM pg_class WHERE relname IN ('outbox', 'inbox', 'rate_limits')"
    )
    for row in rows:
        table = teller().metadata.tables[row["relname"]]
        wanted = table.dialect_options["postgresql"]["with"]
        assert set(row["reloptions"]) == {f"{name}={value}" for name, value in wanted.items()}
        assert (row["relpersistence"] == "u") == ("UNLOGGED" in table._prefixes)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"specversion": "0.3"}',
        b"x" * 70_000,
        b'{"specversion":"1.0","id":"1","type":"a","subject":"b","time":"2026-01-01T00:00:00Z","sequence":"1","data":{}}',
    ],
)
def test_what_no_publisher_of_ours_wrote_is_not_an_envelope(body):
    with pytest.raises(NotAnEnvelope):
        read_envelope(body)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence", "-1"),
        ("sequence", str(1 << 63)),
        ("sequence", 1),
        ("time", "yesterday"),
        ("type", 1),
        ("data", []),
        ("data", {"words": "a\x00b"}),
        ("dataversion", "1"),
        ("specversion", "2.0"),
    ],
)
def test_an_envelope_with_a_field_the_inbox_could_not_store_is_not_one(name, value):
    good = envelope_of(opened(), event_id=new_id(), source="community", sequence=1, occurred_at=datetime.now(UTC))
    assert read_envelope(orjson.dumps(good)) == good
    with pytest.raises(NotAnEnvelope):
        read_envelope(orjson.dumps({**good, name: value}))
