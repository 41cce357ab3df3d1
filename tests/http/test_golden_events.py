"""Stored messages look like the golden samples: every consumer takes each of them, and twice is as good as once."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from deploy.services import SERVICES
from shared.contracts.golden import samples_of
from shared.events.envelope import envelope_of
from shared.events.inbox import Inbox
from shared.ids import new_id
from tests.support.accounts import running_accounts
from tests.support.billing import open_shop
from tests.support.chat import chat_service
from tests.support.community import open_village
from tests.support.jobs import jobs_service

HEARD = {(service.name, entry.event.event_type): entry.event for service in SERVICES for entry in service.subscribes}
DONE, SKIPPED = 1, 3
# Deliveries leave their traces here by design; everything else is the event's effect.
PLUMBING = ("inbox", "alembic_version")
# Samples are of their time, and some of what they tell of is over soon after.
PUBLISHED_AT = datetime(2026, 11, 23, 14, tzinfo=UTC)


@pytest.fixture(scope="module")
async def running(tmp_path_factory):
    """Every service, by name."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        accounts = await enter(running_accounts(tmp_path_factory.mktemp("keys")))
        await know_everybody(accounts)
        services = {
            "accounts": accounts,
            "billing": (await enter(open_shop())).svc,
            "chat": await enter(chat_service()),
            "community": (await enter(open_village())).svc,
            "jobs": await enter(jobs_service()),
        }
        for service in services.values():
            service.clock.advance((PUBLISHED_AT - service.clock.now()).total_seconds())
        yield services


async def know_everybody(accounts):
    """The users whom the samples are about: accounts skips what concerns nobody, and would have nothing to do."""
    heard = [event for (name, _), event in HEARD.items() if name == "accounts"]
    named = {sample.get("user_id") for event in heard for sample in samples_of(event)}
    for user_id in named - {None}:
        await accounts.rows(
            "INSERT INTO users (id, email, email_typed, display_name, handle, status, roles, locale, timezone, version,"
            " created_at, updated_at) VALUES (%(id)s, %(email)s, %(email)s, 'Somebody', %(handle)s, 'active',"
            " '{user}', 'en', 'UTC', 1, now(), now()) RETURNING id",
            id=user_id,
            email=f"{user_id}@example.com",
            handle=user_id,
        )


def envelopes(event, svc):
    """The samples as their publisher would send them, in the order of their list."""
    return [
        envelope_of(
            event.model_validate(sample),
            event_id=new_id(),
            source=event.event_publishers[0],
            sequence=sequence,
            occurred_at=svc.clock.now(),
        )
        for sequence, sample in enumerate(samples_of(event), start=1)
    ]


async def deliver(svc, sent):
    await Inbox(svc.runtime.database, svc.service.name, svc.service.subscribes).store(sent)
    await svc.bus.drain()


async def effects(svc):
    """Every row of every table but those of the delivery itself."""
    tables = await svc.rows(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL(%(plumbing)s)",
        plumbing=list(PLUMBING),
    )
    return {
        table["name"]: await svc.rows(f'SELECT to_jsonb(t)::text AS row FROM "{table["name"]}" t ORDER BY 1')
        for table in tables
    }


PLACES = [pytest.param(*place, id=" hears ".join(place)) for place in sorted(HEARD)]


@pytest.mark.parametrize(("name", "kind"), PLACES)
async def test_golden_samples_are_handled_and_a_second_delivery_changes_nothing(running, name, kind):
    svc, event = running[name], HEARD[name, kind]
    sent = envelopes(event, svc)
    await deliver(svc, sent)
    handled = await svc.rows(
        "SELECT consumer, status, last_error FROM inbox WHERE event_id = ANY(%(ids)s::uuid[])",
        ids=[envelope["id"] for envelope in sent],
    )
    assert [row for row in handled if row["status"] != DONE] == []
    assert len(handled) == len(sent) * sum(entry.event is event for entry in svc.service.subscribes)

    once = await effects(svc)
    await deliver(svc, sent)
    assert await effects(svc) == once


@pytest.mark.parametrize(("name", "kind"), PLACES)
async def test_a_replay_from_beyond_the_inbox_s_memory_is_taken_without_parking(running, name, kind):
    svc = running[name]
    sent = envelopes(HEARD[name, kind], svc)
    await deliver(svc, sent)
    await svc.rows("DELETE FROM inbox RETURNING 1")
    await deliver(svc, sent)
    # Skipped is an answer too: a mail that was sent is not sent again.
    kept = [DONE, SKIPPED]
    assert await svc.rows("SELECT type, last_error FROM inbox WHERE status <> ALL(%(kept)s)", kept=kept) == []
