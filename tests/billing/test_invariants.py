"""RB23: sound books raise no alarm, and each kind of seeded corruption raises exactly its own."""

import psycopg
import pytest
import structlog

from services.billing import tasks
from services.billing.tasks import check_invariants
from shared.ids import new_id
from tests.billing.test_grants import buy_pack


async def violations(shop):
    async with shop.svc.admin(new_id()) as admin:
        answer = await admin.get("/v1/admin/billing/invariants")
    return [(each["invariant"], each["object_id"]) for each in answer.json()["violations"]]


async def test_sound_books_raise_no_alarm_through_a_whole_life(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    assert await violations(shop) == []
    await shop.refund(payment["id"], amount=100)
    await shop.advance(32)
    assert await violations(shop) == []
    await shop.refund((await shop.payments(user))[0]["id"])
    await shop.settle()
    assert await violations(shop) == []


CORRUPTIONS = [
    ("paid_without_access", "billing_customers", "entitlement = jsonb_set(entitlement, '{plan_id}', '\"free\"')"),
    ("access_without_subscription", "subscriptions", "status = 'ended'"),
    ("refunds_do_not_add_up", "refunds", "amount = 1"),
    ("status_contradicts_refunds", "payments", "status = 'PAID'"),
    ("paid_without_a_moment", "payments", "paid_at = NULL"),
    ("renewal_missing", "subscriptions", "period_end = period_end - interval '60 days'"),
    ("webhook_dead", "webhook_events", "status = 'DEAD'"),
]


@pytest.mark.parametrize(("invariant", "table", "change"), CORRUPTIONS, ids=[each[0] for each in CORRUPTIONS])
async def test_a_seeded_corruption_raises_exactly_its_alarm(shop, invariant, table, change):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.refund(payment["id"], amount=100)
    await shop.settle()
    await shop.svc.rows(f"UPDATE {table} SET {change} RETURNING 1")
    found = await violations(shop)
    assert {name for name, _ in found} == {invariant}
    with structlog.testing.capture_logs() as logs:
        await check_invariants(shop.svc.runtime)
    assert {entry["invariant"] for entry in logs} == {invariant}


async def test_a_payment_under_way_for_too_long_raises_an_alarm(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], "delayed")
    await shop.settle()
    assert await violations(shop) == []
    shop.svc.clock.advance(15 * 86400)
    assert [name for name, _ in await violations(shop)] == ["payment_stuck"]


async def test_the_database_itself_refuses_two_live_subscriptions_and_a_refund_above_the_payment(shop):
    user = await shop.register()
    await shop.buy(user)
    copy = "INSERT INTO subscriptions SELECT (jsonb_populate_record(s, jsonb_build_object('id', %(id)s::text,"
    with pytest.raises(psycopg.errors.UniqueViolation):
        await shop.svc.rows(
            f"{copy} 'stripe_subscription_id', 'sub_other'))).* FROM subscriptions s RETURNING 1", id=str(new_id())
        )
    with pytest.raises(psycopg.errors.CheckViolation):
        await shop.svc.rows("UPDATE payments SET amount_refunded = amount + 1 RETURNING 1")


PACK_CORRUPTIONS = [
    ("pack_paid_without_grant", "DELETE FROM grants RETURNING 1"),
    ("grant_without_payment", "UPDATE payments SET kind = 'subscription_update' RETURNING 1"),
    ("grant_above_its_money", "UPDATE grants SET taken_back = 0 RETURNING 1"),
    ("grant_above_its_money", "UPDATE payments SET dispute_state = 'under_review' RETURNING 1"),
]


@pytest.mark.parametrize(("invariant", "change"), PACK_CORRUPTIONS)
async def test_a_corrupted_grant_raises_exactly_its_alarm(shop, invariant, change):
    user = await shop.register()
    payment = await buy_pack(shop, user)
    await shop.refund(payment["id"], amount=450)
    await shop.settle()
    assert await violations(shop) == []
    await shop.svc.rows(change)
    assert {name for name, _ in await violations(shop)} == {invariant}


async def test_a_grant_that_ran_out_and_is_still_promised_raises_an_alarm(shop):
    await buy_pack(shop, await shop.register())
    shop.svc.clock.advance(370 * 86400)
    assert [name for name, _ in await violations(shop)] == ["grant_expired_but_promised"]
    await tasks.expire_grants(shop.svc.runtime)
    assert await violations(shop) == []
