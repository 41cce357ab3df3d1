"""Usage totals: each record once, in the period its owner stamped, whatever order it arrives in."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.billing import EntitlementChanged, UserStripeCustomerBound
from shared.contracts.common import UsageRecorded
from shared.contracts.metrics import METRICS
from shared.ids import new_id
from shared.periods import months_after, period_of
from tests.support.accounts import account_of, register

COLUMNS = {
    "ai_generations": "ai_generations_count",
    "studio_jobs": "studio_jobs_count",
    "chat_messages": "chat_messages_count",
    "images": "images_generated",
}


def used(user_id, metric="images", quantity=1, *, start, months=1, at=None):
    return UsageRecorded(
        usage_id=new_id(),
        user_id=user_id,
        metric=metric,
        quantity=quantity,
        occurred_at=at or start,
        period_start=start,
        period_end=months_after(start, months),
        ref_type="job",
        ref_id=new_id(),
    )


def entitlement(user_id, version, anchor, **limits):
    return EntitlementChanged(
        user_id=user_id,
        version=version,
        plan_id="viral",
        status="active",
        limits=limits,
        max_running=4,
        weight=6,
        period_anchor=anchor,
    )


async def usage(account, query=""):
    answer = await account.client.get(f"/v1/me/usage{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_new_user_has_used_nothing_of_the_free_plan(svc):
    account = await register(svc)
    shown = await usage(account)
    limits = shown.pop("limits")
    assert limits["ai_generations"] == 10
    assert limits["export_seconds"] == 600
    start, end = shown.pop("period_start"), shown.pop("period_end")
    assert shown.pop("last_reset_at") == start
    assert datetime.fromisoformat(start) <= svc.clock.now() < datetime.fromisoformat(end)
    assert set(shown.values()) == {0}
    assert set(shown) == {*COLUMNS.values(), "export_minutes_used", "voiceover_minutes_used"}


async def test_use_is_added_up_and_seconds_are_shown_as_minutes(svc):
    account = await register(svc)
    start = svc.clock.now() - timedelta(days=3)
    for metric, quantity in (("images", 4), ("images", 3), ("export_seconds", 100), ("voiceover_seconds", 7)):
        await svc.receive(used(account.id, metric, quantity, start=start))
    shown = await usage(account)
    assert shown["images_generated"] == 7
    assert (shown["export_minutes_used"], shown["voiceover_minutes_used"]) == (1.67, 0.12)
    [row] = await svc.rows("SELECT * FROM user_usage_stats")
    assert float(row["export_minutes_used"]) == 1.67
    assert row["last_reset_at"] == row["period_start"] == start


async def test_the_same_record_counts_once_under_any_event_id(svc):
    account = await register(svc)
    record = used(account.id, quantity=5, start=svc.clock.now())
    event_id = await svc.receive(record)
    await svc.receive(record, event_id=event_id)
    await svc.receive(record)
    assert (await usage(account))["images_generated"] == 5


async def test_use_of_a_moment_before_the_roll_stays_in_the_old_period(svc):
    account = await register(svc)
    old, new = svc.clock.now() - timedelta(days=31), svc.clock.now()
    await svc.receive(entitlement(account.id, 1, new, images=100))
    late = used(account.id, quantity=3, start=old, at=new - timedelta(seconds=1))
    await svc.receive(used(account.id, quantity=2, start=new))
    await svc.receive(late)
    assert (await usage(account))["images_generated"] == 2
    totals = await svc.rows("SELECT images_generated FROM user_usage_stats ORDER BY period_start")
    assert [row["images_generated"] for row in totals] == [3, 2]


async def test_a_new_month_begins_at_zero_without_a_reset_job(svc):
    account = await register(svc)
    anchor = svc.clock.now()
    await svc.receive(entitlement(account.id, 1, anchor, images=100))
    await svc.receive(used(account.id, quantity=9, start=anchor))
    svc.clock.advance(32 * 24 * 3600)
    account = await account_of(svc, account.email)
    shown = await usage(account)
    assert shown["images_generated"] == 0
    assert datetime.fromisoformat(shown["last_reset_at"]) == months_after(anchor, 1)


async def test_buying_a_plan_starts_a_period_and_its_end_brings_the_old_one_back(svc):
    account = await register(svc)
    free = svc.clock.now()
    await svc.receive(entitlement(account.id, 1, free, images=20))
    await svc.receive(used(account.id, quantity=4, start=free))
    svc.clock.advance(3600)
    paid = svc.clock.now()
    await svc.receive(entitlement(account.id, 2, paid, images=1500))
    assert (await usage(account))["images_generated"] == 0
    await svc.receive(used(account.id, quantity=11, start=paid))
    shown = await usage(account)
    assert (shown["images_generated"], shown["limits"]) == (11, {"images": 1500})
    await svc.receive(entitlement(account.id, 3, free, images=20))
    assert (await usage(account))["images_generated"] == 4


async def test_the_newest_snapshot_of_a_plan_wins_however_late_the_older_arrives(svc):
    account = await register(svc)
    await svc.receive(entitlement(account.id, 7, svc.clock.now(), images=1500))
    await svc.receive(entitlement(account.id, 6, svc.clock.now(), images=20))
    assert (await usage(account))["limits"] == {"images": 1500}


async def test_a_past_month_shows_every_period_that_began_in_it(svc):
    account = await register(svc)
    for day, quantity in ((1, 2), (15, 3)):
        await svc.receive(used(account.id, quantity=quantity, start=datetime(2026, 3, day, tzinfo=UTC)))
    await svc.receive(used(account.id, quantity=50, start=datetime(2026, 4, 1, tzinfo=UTC)))
    shown = await usage(account, "?period=2026-03")
    assert shown["images_generated"] == 5
    assert shown["period_start"] == "2026-03-01T00:00:00Z"
    assert (await usage(account, "?period=2025-12"))["images_generated"] == 0


@pytest.mark.parametrize("period", ["2026-13", "2026", "yesterday", "", "2026-03-01", "0000-01"])
async def test_a_period_that_is_none_is_refused(shared_svc, period):
    account = await register(shared_svc)
    assert (await account.client.get("/v1/me/usage", params={"period": period})).status_code == 422


async def test_the_history_shows_use_by_day(svc):
    account = await register(svc)
    day = svc.clock.now().replace(hour=12, minute=0) - timedelta(days=3)
    for offset, quantity in ((0, 1), (0, 2), (1, 4)):
        at = day + timedelta(days=offset)
        await svc.receive(used(account.id, quantity=quantity, start=day - timedelta(days=9), at=at))
    answer = await account.client.get("/v1/me/usage/history", params={"metric": "images"})
    assert [entry["quantity"] for entry in answer.json()["items"]] == [3, 4]
    since = (day + timedelta(days=1)).replace(hour=0).isoformat()
    answer = await account.client.get("/v1/me/usage/history", params={"metric": "images", "from": since})
    assert [entry["quantity"] for entry in answer.json()["items"]] == [4]
    assert (await account.client.get("/v1/me/usage/history", params={"metric": "magic"})).status_code == 422


async def test_unknown_users_and_unknown_metrics_are_skipped_and_block_nobody(svc):
    account = await register(svc)
    await svc.receive(used(new_id(), start=svc.clock.now()))
    await svc.receive(used(account.id, "holograms", start=svc.clock.now()))
    await svc.receive(entitlement(new_id(), 1, svc.clock.now()))
    await svc.receive(used(account.id, start=svc.clock.now()))
    assert (await usage(account))["images_generated"] == 1
    states = await svc.rows("SELECT status, count(*) AS n FROM inbox WHERE type <> 'mail.requested' GROUP BY 1")
    assert {row["status"]: row["n"] for row in states} == {1: 1, 3: 3}


async def test_billing_s_customer_is_kept_with_the_user(svc):
    account = await register(svc)
    await svc.receive(UserStripeCustomerBound(user_id=account.id, stripe_customer_id="cus_1"))
    assert (await account.client.get("/v1/me")).json()["stripe_customer_id"] == "cus_1"


RECORDS = st.lists(
    st.tuples(st.sampled_from(METRICS), st.integers(1, 10_000), st.integers(0, 3)), min_size=1, max_size=25
)


@settings(max_examples=25, deadline=None)
@given(records=RECORDS, seed=st.integers(0, 2**32))
async def test_totals_are_the_sums_under_duplicates_and_any_order(shared_svc, records, seed):
    account = await register(shared_svc)
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    events = [
        used(account.id, metric, quantity, start=months_after(start, month)) for metric, quantity, month in records
    ]
    chance = random.Random(seed)
    deliveries = [*events, *chance.choices(events, k=len(events))]
    chance.shuffle(deliveries)
    for event in deliveries:
        await shared_svc.receive(event)
    expected = Counter()
    for metric, quantity, month in records:
        expected[months_after(start, month), metric] += quantity
    names = {**COLUMNS, "export_seconds": "export_seconds_used", "voiceover_seconds": "voiceover_seconds_used"}
    rows = await shared_svc.rows("SELECT * FROM user_usage_stats WHERE user_id = %(user)s", user=account.id)
    found = {(row["period_start"], metric): row[column] for row in rows for metric, column in names.items()}
    assert {key: count for key, count in found.items() if count} == dict(expected)


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(anchor=MOMENTS, now=MOMENTS)
def test_every_moment_lies_in_exactly_one_period_and_periods_leave_no_gap(anchor, now):
    start, end = period_of(anchor, now)
    assert start <= now < end
    assert period_of(anchor, end)[0] == end
    assert period_of(anchor, end - timedelta(microseconds=1)) == (start, end)
    assert timedelta(days=28) <= end - start <= timedelta(days=31)


def test_an_anchor_on_the_31st_clamps_and_comes_back():
    anchor = datetime(2028, 1, 31, 8, tzinfo=UTC)
    days = [months_after(anchor, months).strftime("%m-%d") for months in range(4)]
    assert days == ["01-31", "02-29", "03-31", "04-30"]
