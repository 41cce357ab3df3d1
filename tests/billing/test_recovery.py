"""What was begun and not ended is taken up again, and what is over is ended, by timers and the webhook worker."""

import asyncio

import pytest

from services.billing.tasks import (
    end_grace,
    end_lost_subscriptions,
    finish_checkouts,
    finish_refunds,
    follow_accounts,
)
from services.billing.usecases.webhooks import LEASE_SECONDS
from shared.contracts.accounts import UserDisabled
from shared.ids import new_id
from tests.support.billing import open_shop

HOUR, DAY = 3600, 86_400


async def later(shop, task):
    shop.svc.clock.advance(600)
    await task(shop.svc.runtime)
    await shop.settle()


async def order(shop, user, **body):
    async with shop.svc.client(user) as client:
        return await client.post("/v1/billing/checkout", json={"plan_id": "viral", "interval": "month", **body})


async def test_a_checkout_that_stripe_did_not_answer_is_opened_later(shop):
    user = await shop.register()
    await shop.control("faults", method="POST", path="/v1/checkout/sessions", kind="500", times=6)
    assert (await order(shop, user)).status_code == 503
    await later(shop, finish_checkouts)
    [reserved] = await shop.svc.rows("SELECT status FROM checkouts")
    assert reserved["status"] == "reserved"
    await later(shop, finish_checkouts)
    [opened] = await shop.svc.rows("SELECT status, stripe_session_id FROM checkouts")
    assert opened["status"] == "open"
    await shop.pay(opened["stripe_session_id"])
    await shop.settle()
    assert (await shop.entitlement(user))["plan_id"] == "viral"


async def test_a_payment_is_booked_although_we_never_learned_of_its_session(shop):
    """Stripe opened the session and the answer was lost; the buyer found the page all the same."""
    user = await shop.register()
    await shop.control("faults", method="POST", path="/v1/checkout/sessions", kind="reset", times=3)
    assert (await order(shop, user)).status_code == 503
    [session] = (await shop.stripe("GET", "checkout/sessions"))["data"]
    await shop.pay(session["id"])
    await shop.settle()
    [payment] = await shop.payments(user)
    assert (payment["status"], payment["stripe_session_id"]) == ("PAID", session["id"])


async def test_a_reserved_checkout_of_somebody_locked_out_is_closed_unopened(shop):
    user = await shop.register()
    await shop.control("faults", method="POST", path="/v1/checkout/sessions", kind="500", times=3)
    await order(shop, user)
    await shop.svc.receive(UserDisabled(user_id=user, reason="fraud"), sequence=2)
    await follow_accounts(shop.svc.runtime)
    assert [row["status"] for row in await shop.svc.rows("SELECT status FROM checkouts")] == ["expired"]


async def test_a_refund_that_stripe_refuses_is_told_and_ends_as_failed(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control("delivery", drop=True)
    await shop.stripe("POST", "refunds", payment_intent=payment["stripe_payment_intent_id"], amount="3000")
    answer = await shop.refund(payment["id"], amount=2000)
    assert (answer.status_code, answer.json()["code"]) == (409, "refund_failed")
    assert [row["status"] for row in await shop.svc.rows("SELECT status FROM refunds")] == ["failed"]
    shop.svc.clock.advance(600)
    await finish_refunds(shop.svc.runtime)
    assert (await shop.payments(user))[0]["status"] == "PAID"


async def test_a_refund_whose_answer_was_lost_for_a_day_is_found_and_not_made_again(shop):
    """Stripe has forgotten the idempotency key by then, so a retry would pay twice."""
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control("delivery", drop=True)
    await shop.control("faults", method="POST", path="/v1/refunds", kind="reset", times=3)
    assert (await shop.refund(payment["id"], amount=1000)).status_code == 503
    await shop.stripe("POST", "refunds", payment_intent=payment["stripe_payment_intent_id"], amount="500")
    await shop.control("clock/advance", seconds=DAY + HOUR)
    await finish_refunds(shop.svc.runtime)
    made = (await shop.stripe("GET", "refunds"))["data"]
    assert [refund["amount"] for refund in made] == [500, 1000]
    [kept] = await shop.svc.rows("SELECT stripe_refund_id, status FROM refunds")
    assert (kept["stripe_refund_id"], kept["status"]) == (made[1]["id"], "succeeded")
    assert (await shop.payments(user))[0]["amount_refunded"] == 1000


async def test_a_refund_that_stripe_never_heard_of_is_made_even_after_days(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control("faults", method="POST", path="/v1/refunds", kind="500", times=3)
    assert (await shop.refund(payment["id"], amount=1000)).status_code == 503
    await shop.advance(2)
    await later(shop, finish_refunds)
    assert (await shop.payments(user))[0]["amount_refunded"] == 1000


async def test_a_checkout_whose_answer_was_lost_for_a_day_is_found_and_not_opened_again(shop):
    user = await shop.register()
    earlier = await shop.checkout(user, "creator")
    await shop.control("delivery", drop=True)
    await shop.control("faults", method="POST", path="/v1/checkout/sessions", kind="reset", times=3)
    assert (await order(shop, user)).status_code == 503
    [lost, known] = (await shop.stripe("GET", "checkout/sessions"))["data"]
    assert known["id"] == earlier["session_id"]
    await shop.pay(lost["id"])
    await shop.control("clock/advance", seconds=DAY + HOUR)
    await finish_checkouts(shop.svc.runtime)
    assert len((await shop.stripe("GET", "checkout/sessions"))["data"]) == 2
    [kept] = await shop.svc.rows("SELECT stripe_session_id FROM checkouts WHERE plan_id = 'viral'")
    assert kept["stripe_session_id"] == lost["id"]


async def test_a_checkout_that_stripe_never_heard_of_is_opened_even_after_a_day(shop):
    user = await shop.register()
    await shop.control("faults", method="POST", path="/v1/checkout/sessions", kind="500", times=3)
    assert (await order(shop, user)).status_code == 503
    await shop.advance(1.1)
    await later(shop, finish_checkouts)
    [opened] = await shop.svc.rows("SELECT status FROM checkouts WHERE user_id = %(user)s", user=user)
    assert opened["status"] == "open"


async def test_a_refund_is_tried_again_while_stripe_is_down(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control("faults", method="POST", path="/v1/refunds", kind="500", times=6)
    assert (await shop.refund(payment["id"])).status_code == 503
    await later(shop, finish_refunds)
    assert (await shop.payments(user))[0]["status"] == "PAID"
    await later(shop, finish_refunds)
    assert (await shop.payments(user))[0]["status"] == "REFUNDED"


async def test_a_full_refund_whose_cancellation_was_lost_still_ends_the_subscription(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control("faults", method="DELETE", path="/v1/subscriptions/*", kind="500", times=3)
    assert (await shop.refund(payment["id"])).status_code == 503
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    await later(shop, finish_refunds)
    assert (await shop.entitlement(user))["plan_id"] == "free"


async def test_the_grace_period_ends_without_a_word_from_stripe(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control(f"customers/{payment['stripe_customer_id']}/card", card="declined")
    await shop.advance(32)
    await end_grace(shop.svc.runtime)
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    shop.svc.clock.advance(8 * 86400)
    await end_grace(shop.svc.runtime)
    assert (await shop.entitlement(user))["plan_id"] == "free"
    told = [event["data"]["plan_id"] for event in await shop.svc.published("entitlement.changed")]
    assert (told[0], told[-1], len(told)) == ("free", "free", 4)


async def test_a_lost_dispute_ends_the_subscription_once_stripe_can_be_had(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    for action in ("dispute", "dispute_lose"):
        await shop.control(f"payments/{payment['stripe_payment_intent_id']}/{action}")
    await shop.settle()
    await shop.control("faults", method="DELETE", path="/v1/subscriptions/*", kind="500", times=3)
    await end_lost_subscriptions(shop.svc.runtime)
    assert len(await shop.svc.published("subscription.ended")) == 0
    await later(shop, end_lost_subscriptions)
    assert len(await shop.svc.published("subscription.ended")) == 1
    await shop.advance(40)
    assert len(await shop.payments(user)) == 1


async def test_an_event_whose_worker_died_is_taken_over_and_the_slow_one_cannot_land(shop):
    """The first worker holds the event so long that its lease runs out and a second one does the work."""
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"])
    parts = shop.svc.runtime.parts
    await shop.settle()
    await shop.svc.rows(
        "UPDATE webhook_events SET status = 'RECEIVED', attempts = 0 WHERE status = 'PROCESSED' RETURNING 1"
    )
    slow = asyncio.create_task(parts.work_off_webhooks())
    await asyncio.sleep(0)
    while not await shop.svc.rows("SELECT 1 FROM webhook_events WHERE status = 'PROCESSING'"):  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    expired = f"lease_until - {LEASE_SECONDS + 1} * interval '1 second'"
    await shop.svc.rows(f"UPDATE webhook_events SET lease_until = {expired} WHERE status = 'PROCESSING' RETURNING 1")
    await parts.work_off_webhooks()
    await slow
    await shop.settle()
    states = await shop.svc.rows("SELECT status, last_error FROM webhook_events WHERE status NOT LIKE '%%ED'")
    assert states == []
    assert len(await shop.svc.published("payment.paid")) == 1


async def test_an_event_being_processed_cannot_be_replayed(shop):
    user = await shop.register()
    await shop.buy(user)
    [row] = await shop.svc.rows(
        "UPDATE webhook_events SET status = 'PROCESSING', lease_until = now() + interval '1 minute'"
        " WHERE id = (SELECT id FROM webhook_events LIMIT 1) RETURNING id"
    )
    async with shop.svc.admin(new_id()) as admin:
        answer = await admin.post(f"/v1/admin/billing/webhook-events/{row['id']}/replay")
    assert answer.status_code == 409


@pytest.fixture
async def staffed():
    """A shop whose webhook worker runs by itself."""
    async with open_shop(roles=frozenset({"web", "worker"})) as opened:
        yield opened


async def rename(shop, table, name):
    async with shop.svc.runtime.database.pool.connection() as connection:
        await connection.execute(f"ALTER TABLE {table} RENAME TO {name}")


async def test_the_worker_goes_on_after_its_database_failed(staffed):
    user = await staffed.register()
    checkout = await staffed.checkout(user)
    await rename(staffed, "webhook_events", "away")
    staffed.svc.runtime.parts.arrived.set()
    while staffed.svc.runtime.parts.arrived.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await rename(staffed, "away", "webhook_events")
    await staffed.pay(checkout["session_id"])
    async with asyncio.timeout(20):
        while (await staffed.entitlement(user))["plan_id"] != "viral":  # noqa: ASYNC110 - it is another party's doing
            await asyncio.sleep(0.05)
