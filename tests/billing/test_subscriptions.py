"""Renewals, failures, ends, refunds and disputes."""

import asyncio

from services.billing.tasks import finish_refunds
from shared.ids import new_id


def events_of(envelopes):
    return [envelope["type"] for envelope in envelopes]


async def test_a_renewal_is_a_second_payment_and_the_plan_goes_on(shop):
    user = await shop.register()
    await shop.buy(user)
    await shop.advance(32)
    newest, first = await shop.payments(user)
    assert (newest["kind"], newest["status"], newest["amount"]) == ("subscription_cycle", "PAID", 3900)
    assert first["kind"] == "subscription_create"
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    told = events_of(await shop.svc.published())
    assert told.count("payment.paid") == 2
    assert told.count("subscription.renewed") == 1
    paid = await shop.svc.published("payment.paid")
    assert [event["data"]["is_first_payment"] for event in paid] == [True, False]


async def test_a_failing_renewal_keeps_the_plan_for_the_grace_period_and_tells_each_attempt_once(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control(f"customers/{payment['stripe_customer_id']}/card", card="declined")
    await shop.advance(32)
    assert (await shop.entitlement(user))["status"] == "past_due"
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    assert (await shop.payments(user))[0]["status"] == "FAILED"
    failed = await shop.svc.published("payment.failed")
    assert [event["data"]["attempt"] for event in failed] == sorted({event["data"]["attempt"] for event in failed})
    await shop.control(f"customers/{payment['stripe_customer_id']}/card", card="ok")
    await shop.advance(6)
    told = events_of(await shop.svc.published())
    assert told.count("subscription.past_due") == 1
    assert told.count("subscription.recovered") == 1
    assert (await shop.payments(user))[0]["status"] == "PAID"


async def test_a_subscription_cancelled_at_period_end_ends_then_and_not_before(shop):
    user = await shop.register()
    await shop.buy(user)
    async with shop.svc.client(user) as client:
        answer = await client.post("/v1/billing/subscription/cancel", json={"at_period_end": True})
        assert answer.json()["subscription"]["cancel_at"]
        answer = await client.post("/v1/billing/subscription/resume")
        assert answer.json()["subscription"]["cancel_at"] is None
        await client.post("/v1/billing/subscription/cancel", json={"at_period_end": True})
    await shop.advance(10)
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    await shop.advance(25)
    assert (await shop.entitlement(user))["plan_id"] == "free"
    told = events_of(await shop.svc.published())
    assert told.count("subscription.cancel_scheduled") == 2
    assert told.count("subscription.cancel_undone") == 1
    assert told.count("subscription.ended") == 1
    second = await shop.buy(user, "studio")
    assert second["plan_id"] == "studio"


async def test_a_full_refund_ends_the_subscription_and_the_plan(shop):
    user = await shop.register()
    registered = (await shop.entitlement(user))["period_anchor"]
    payment = await shop.buy(user)
    answer = await shop.refund(payment["id"], key="refund-1")
    assert answer.status_code == 200, answer.text
    assert answer.json()["refund"]["amount"] == 3900
    await shop.settle()
    assert (await shop.payments(user))[0]["status"] == "REFUNDED"
    entitlement = await shop.entitlement(user)
    assert (entitlement["plan_id"], entitlement["period_anchor"]) == ("free", registered)
    [event] = await shop.svc.published("payment.refunded")
    assert (event["data"]["full"], event["data"]["amount_net_remaining"]) == (True, 0)
    assert events_of(await shop.svc.published()).count("subscription.ended") == 1


async def test_a_partial_refund_keeps_the_plan(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.refund(payment["id"], amount=1000)
    await shop.settle()
    [now] = await shop.payments(user)
    assert (now["status"], now["amount_refunded"]) == ("PARTIALLY_REFUNDED", 1000)
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    [event] = await shop.svc.published("payment.refunded")
    assert event["data"]["amount_net_remaining"] == 2900


async def test_two_refunds_at_once_never_give_back_more_than_was_paid(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    answers = await asyncio.gather(*(shop.refund(payment["id"], amount=2340) for _ in range(2)))
    await shop.settle()
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert (await shop.payments(user))[0]["amount_refunded"] == 2340


async def test_a_refund_repeated_with_its_key_is_made_once(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    first = await shop.refund(payment["id"], key="r", amount=500)
    again = await shop.refund(payment["id"], key="r", amount=500)
    other = await shop.refund(payment["id"], key="r", amount=600)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["refund"]["id"] == first.json()["refund"]["id"]
    assert other.status_code == 409
    assert (await shop.payments(user))[0]["amount_refunded"] == 500


async def test_what_cannot_be_refunded_is_a_clear_problem(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    [pending] = await shop.payments(user)
    assert (await shop.refund(pending["id"])).json()["code"] == "payment_not_refundable"
    assert (await shop.refund(str(new_id()))).status_code == 404
    await shop.pay(checkout["session_id"])
    await shop.settle()
    assert (await shop.refund(pending["id"], amount=3901)).json()["code"] == "refund_above_paid"
    assert (await shop.refund(pending["id"], amount=-5)).status_code == 422


async def test_a_refund_whose_answer_was_lost_is_finished_by_the_recovery_task(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control("faults", method="POST", path="/v1/refunds", kind="500", times=3)
    assert (await shop.refund(payment["id"], key="lost")).status_code == 503
    shop.svc.clock.advance(600)
    await finish_refunds(shop.svc.runtime)
    await shop.settle()
    [now] = await shop.payments(user)
    assert (now["status"], now["amount_refunded"]) == ("REFUNDED", 3900)
    assert len(await shop.svc.published("payment.refunded")) == 1


async def test_a_refund_made_in_the_dashboard_is_booked_once(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    answer = await shop.twin.post(
        "/twin/stripe/v1/refunds",
        data={"payment_intent": payment["stripe_payment_intent_id"], "amount": "700"},
        headers={"Authorization": "Bearer sk_test_twin"},
    )
    assert answer.is_success, answer.text
    await shop.settle()
    [now] = await shop.payments(user)
    assert now["amount_refunded"] == 700
    assert len(await shop.svc.published("payment.refunded")) == 1


async def test_a_dispute_is_told_when_it_opens_and_when_it_closes(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    intent = payment["stripe_payment_intent_id"]
    await shop.control(f"payments/{intent}/dispute")
    await shop.settle()
    assert (await shop.payments(user))[0]["dispute_state"] == "needs_response"
    assert (await shop.refund(payment["id"])).status_code == 409
    await shop.control(f"payments/{intent}/dispute_win")
    await shop.settle()
    assert (await shop.payments(user))[0]["dispute_state"] == "won"
    assert len(await shop.svc.published("payment.disputed")) == 1
    [closed] = await shop.svc.published("payment.dispute_closed")
    assert closed["data"]["outcome"] == "won"


async def test_a_second_subscription_paid_all_the_same_is_cancelled_and_refunded(shop):
    """Two devices: the first session was superseded, but its page is still open and gets paid."""
    user = await shop.register()
    await shop.control("faults", method="POST", path="/v1/checkout/sessions/*/expire", kind="409", times=20)
    first = await shop.checkout(user, "creator")
    async with shop.svc.client(user) as client:
        await client.post("/v1/billing/checkout", json={"plan_id": "viral", "interval": "month"})
        second = await client.post("/v1/billing/checkout", json={"plan_id": "viral", "interval": "month"})
    await shop.pay(second.json()["session_id"])
    await shop.settle()
    await shop.pay(first["session_id"])
    await shop.settle()
    shop.svc.clock.advance(600)
    await finish_refunds(shop.svc.runtime)
    await shop.settle()
    statuses = {payment["plan_id"]: payment["status"] for payment in await shop.payments(user)}
    assert statuses == {"viral": "PAID", "creator": "REFUNDED"}
    assert (await shop.entitlement(user))["plan_id"] == "viral"
