"""Renewals that fail: what is kept and for how long, who is told what, and how it goes on."""

import pytest

from services.billing.tasks import end_grace, finish_refunds

GRACE_DAYS = 7


async def renewing(shop, card):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], card)
    await shop.settle()
    return user


async def until_renewal(shop, user):
    """Move to just after the period's end; periods differ in length."""
    async with shop.svc.client(user) as client:
        row = (await client.get("/v1/billing/subscription")).json()["subscription"]
    [ends] = await shop.svc.rows("SELECT %(end)s::timestamptz AS at", end=row["period_end"])
    await shop.advance((ends["at"] - shop.svc.clock.now()).total_seconds() / 86400 + 0.001)


async def detail(shop, user, index=0):
    payment = (await shop.payments(user))[index]
    async with shop.svc.client(user) as client:
        attempts = (await client.get(f"/v1/billing/payments/{payment['id']}/attempts")).json()["items"]
    return {**payment, "attempts": attempts}


async def mails(shop, *templates):
    wishes = [event["data"]["template"] for event in await shop.svc.published("mail.requested")]
    return [template for template in wishes if template in templates]


async def times_told(shop, kind):
    return len(await shop.svc.published(kind))


PAYMENT_MAILS = ("payment_receipt", "payment_failed", "payment_failed_finally", "payment_action_required")


async def test_a_plan_past_due_is_kept_to_the_last_minute_of_its_grace_and_then_free(shop):
    user = await renewing(shop, "renewal_fails")
    await until_renewal(shop, user)
    [row] = await shop.svc.rows("SELECT past_due_since FROM subscriptions")
    await shop.advance(GRACE_DAYS - 0.01)
    await end_grace(shop.svc.runtime)
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    shop.svc.clock.advance(1200)
    assert (await shop.entitlement(user))["plan_id"] == "free"
    await end_grace(shop.svc.runtime)
    await shop.svc.bus.drain()
    assert (await shop.svc.published("entitlement.changed"))[-1]["data"]["plan_id"] == "free"
    assert await shop.svc.rows("SELECT past_due_since FROM subscriptions") == [row]


async def test_who_pays_within_the_grace_never_loses_the_plan(shop):
    user = await renewing(shop, "renewal_fails")
    customer = (await shop.payments(user))[0]["stripe_customer_id"]
    await until_renewal(shop, user)
    await shop.control(f"customers/{customer}/card", card="ok")
    await shop.advance(3.1)
    assert (await shop.payments(user))[0]["status"] == "PAID"
    plans = [event["data"]["plan_id"] for event in await shop.svc.published("entitlement.changed")]
    assert plans[0] == "free"
    assert set(plans[1:]) == {"viral"}
    assert await times_told(shop, "subscription.past_due") == await times_told(shop, "subscription.recovered") == 1
    assert await mails(shop, *PAYMENT_MAILS) == ["payment_receipt", "payment_failed", "payment_receipt"]


async def test_who_pays_after_the_grace_gets_the_plan_back(shop):
    user = await renewing(shop, "renewal_fails")
    customer = (await shop.payments(user))[0]["stripe_customer_id"]
    await until_renewal(shop, user)
    await shop.advance(GRACE_DAYS + 0.1)
    await end_grace(shop.svc.runtime)
    await shop.control(f"customers/{customer}/card", card="ok")
    await shop.advance(1.5)
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    assert await times_told(shop, "subscription.activated") == 1


async def test_every_attempt_is_recorded_and_told_once_and_the_last_one_says_so(shop):
    user = await renewing(shop, "renewal_fails")
    await until_renewal(shop, user)
    await shop.advance(3.1)
    failed = await detail(shop, user)
    assert [(each["number"], each["outcome"], each["code"]) for each in failed["attempts"]] == [
        (1, "failed", "generic_decline"),
        (2, "failed", "generic_decline"),
    ]
    assert all(each["next_attempt_at"] for each in failed["attempts"])
    assert failed["hosted_url"]
    await shop.advance(5)
    await shop.advance(7)
    over = await detail(shop, user)
    assert (over["status"], [each["number"] for each in over["attempts"]]) == ("FAILED", [1, 2, 3, 4])
    assert over["attempts"][-1]["next_attempt_at"] is None
    assert await mails(shop, *PAYMENT_MAILS[1:]) == ["payment_failed"] * 3 + ["payment_failed_finally"]
    facts = [event["data"] for event in await shop.svc.published("payment.failed")]
    assert [(fact["attempt"], fact["is_final"]) for fact in facts] == [(1, False), (2, False), (3, False), (4, True)]
    assert await times_told(shop, "subscription.ended") == 1
    assert (await shop.entitlement(user))["plan_id"] == "free"


@pytest.mark.parametrize("name", ["invoice.payment_failed", "customer.subscription.updated"])
async def test_what_has_ended_never_becomes_past_due_again_however_late_and_often_stripe_says_so(shop, name):
    user = await renewing(shop, "renewal_fails")
    await until_renewal(shop, user)
    for days in (3.1, 5, 7):
        await shop.advance(days)
    found = (await shop.stripe("GET", "events", type=name, limit=100))["data"]
    assert found
    before = await shop.svc.rows("SELECT status, version FROM subscriptions")
    for event in found:
        await shop.control(f"events/{event['id']}/resend")
    await shop.svc.rows("DELETE FROM webhook_events RETURNING 1")
    await shop.settle()
    assert await shop.svc.rows("SELECT status, version FROM subscriptions") == before
    assert before[0]["status"] == "ended"
    assert len(await mails(shop, *PAYMENT_MAILS[1:])) == 4
    assert (await shop.entitlement(user))["plan_id"] == "free"


async def test_a_renewal_the_bank_wants_confirmed_says_that_and_is_confirmed_on_stripes_page(shop):
    user = await renewing(shop, "renewal_3ds")
    await until_renewal(shop, user)
    waiting = await detail(shop, user)
    assert waiting["attempts"][0]["outcome"] == "action_required"
    assert await mails(shop, *PAYMENT_MAILS[1:]) == ["payment_action_required"]
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    page = await shop.twin.post(waiting["hosted_url"])
    assert page.status_code == 200
    await shop.settle()
    paid = await detail(shop, user)
    assert (paid["status"], paid["hosted_url"]) == ("PAID", None)
    assert await times_told(shop, "subscription.recovered") == 1
    assert await mails(shop, *PAYMENT_MAILS) == ["payment_receipt", "payment_action_required", "payment_receipt"]


async def test_a_renewal_by_bank_debit_is_under_way_until_the_money_is_there(shop):
    user = await renewing(shop, "delayed")
    await shop.advance(2)
    await until_renewal(shop, user)
    assert (await shop.payments(user))[0]["status"] == "PROCESSING"
    assert (await shop.entitlement(user))["status"] == "active"
    await shop.advance(1.1)
    assert (await shop.payments(user))[0]["status"] == "PAID"
    assert await mails(shop, *PAYMENT_MAILS) == ["payment_receipt"] * 2


async def test_an_invoice_paid_after_its_subscription_has_ended_is_refunded(shop):
    user = await renewing(shop, "renewal_3ds")
    await until_renewal(shop, user)
    page = (await detail(shop, user))["hosted_url"]
    async with shop.svc.client(user) as client:
        await client.post("/v1/billing/subscription/cancel", json={"at_period_end": False})
    await shop.advance(0.1)
    await shop.twin.post(page)
    await shop.settle()
    shop.svc.clock.advance(600)
    await finish_refunds(shop.svc.runtime)
    await shop.settle()
    late = (await shop.payments(user))[0]
    assert (late["status"], late["amount_refunded"]) == ("REFUNDED", 3900)
    assert (await shop.entitlement(user))["plan_id"] == "free"


async def test_nobody_sees_the_attempts_of_somebody_elses_payment(shop):
    user, other = await renewing(shop, "ok"), await shop.register()
    [payment] = await shop.payments(user)
    async with shop.svc.client(other) as client:
        assert (await client.get(f"/v1/billing/payments/{payment['id']}/attempts")).status_code == 404
