"""What happens at Stripe itself: foreign objects, late and missing parents, delayed and failing money."""

from uuid import UUID

import pytest
import stripe

from services.billing import stripe_gateway
from services.billing.errors import ObjectMissing, PaymentProviderUnavailable, StripeRefused
from services.billing.models import Payment
from services.billing.usecases import payments
from shared.ids import new_id


async def events(shop, *types):
    rows = await shop.svc.rows("SELECT event_type, status, last_error FROM webhook_events ORDER BY received_at")
    return [row for row in rows if not types or row["event_type"] in types]


async def foreign_purchase(shop):
    """Somebody else's product in the same Stripe account, sold without us."""
    customer = await shop.stripe("POST", "customers", email="stranger@atelier.test")
    price = await shop.stripe(
        "POST",
        "prices",
        currency="usd",
        unit_amount="700",
        **{"recurring[interval]": "month", "product_data[name]": "Something else"},
    )
    session = await shop.stripe(
        "POST",
        "checkout/sessions",
        mode="subscription",
        customer=customer["id"],
        success_url="http://x",
        **{"line_items[0][price]": price["id"], "line_items[0][quantity]": "1"},
    )
    await shop.pay(session["id"])
    await shop.settle()
    return await shop.stripe("GET", f"checkout/sessions/{session['id']}")


async def test_what_is_sold_by_others_in_the_same_account_is_left_alone(shop):
    await foreign_purchase(shop)
    assert {row["status"] for row in await events(shop)} <= {"PROCESSED", "IGNORED"}
    assert await shop.svc.rows("SELECT 1 FROM payments") == []
    assert await shop.svc.rows("SELECT 1 FROM subscriptions") == []


async def test_a_refund_or_dispute_of_a_payment_not_known_yet_waits_for_it(shop):
    await foreign_purchase(shop)
    [intent] = (await shop.stripe("GET", "payment_intents"))["data"]
    await shop.stripe("POST", "refunds", payment_intent=intent["id"], amount="100")
    await shop.control(f"payments/{intent['id']}/dispute")
    await shop.settle()
    waiting = await events(shop, "refund.created", "charge.dispute.created")
    assert {row["status"] for row in waiting} == {"RETRY"}
    assert all("ParentMissing" in row["last_error"] for row in waiting)


async def test_a_refund_that_is_faster_than_the_booking_of_its_payment_waits_for_it(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.svc.rows("UPDATE payments SET status = 'PENDING', paid_at = NULL RETURNING 1")
    await shop.stripe("POST", "refunds", payment_intent=payment["stripe_payment_intent_id"], amount="100")
    await shop.settle()
    [row] = await events(shop, "refund.created")
    assert (row["status"], "not booked" in row["last_error"]) == ("RETRY", True)


async def test_a_delayed_payment_grants_when_the_money_comes_and_not_before(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], "delayed")
    await shop.settle()
    [payment] = await shop.payments(user)
    assert (payment["status"], payment["paid_at"]) == ("PROCESSING", None)
    await shop.advance(2)
    [payment] = await shop.payments(user)
    assert payment["status"] == "PAID"
    assert (await shop.entitlement(user))["plan_id"] == "viral"


async def test_a_renewal_by_bank_debit_is_under_way_before_it_is_paid(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], "delayed")
    await shop.settle()
    [row] = await shop.svc.rows("SELECT period_end FROM subscriptions")
    until = row["period_end"] - shop.svc.clock.now()
    await shop.advance(until.total_seconds() / 86400 + 0.5)
    newest, _ = await shop.payments(user)
    assert (newest["kind"], newest["status"]) == ("subscription_cycle", "PROCESSING")
    await shop.advance(2)
    assert [payment["status"] for payment in await shop.payments(user)] == ["PAID", "PAID"]
    assert await shop.svc.published("payment.failed") == []


async def test_a_delayed_payment_that_bounces_takes_the_plan_away(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], "delayed_fails")
    await shop.settle()
    await shop.advance(2)
    [payment] = await shop.payments(user)
    assert payment["status"] in {"FAILED", "CANCELLED"}
    assert (await shop.entitlement(user))["plan_id"] == "free"
    assert await shop.svc.published("payment.paid") == []


async def test_a_refund_that_the_bank_sends_back_is_reverted(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], "refund_fails")
    await shop.settle()
    [payment] = await shop.payments(user)
    await shop.refund(payment["id"], amount=1000)
    await shop.settle()
    assert (await shop.payments(user))[0]["status"] == "PARTIALLY_REFUNDED"
    await shop.advance(2)
    [now] = await shop.payments(user)
    assert (now["status"], now["amount_refunded"]) == ("PAID", 0)
    [reverted] = await shop.svc.published("payment.refund_reverted")
    assert (reverted["data"]["amount_refunded_total"], reverted["data"]["amount_net_remaining"]) == (0, 3900)


async def test_an_unpaid_invoice_that_is_voided_cancels_its_payment(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control(f"customers/{payment['stripe_customer_id']}/card", card="declined")
    await shop.advance(32)
    [invoice] = (await shop.stripe("GET", "invoices", status="open"))["data"]
    await shop.stripe("POST", f"invoices/{invoice['id']}/void")
    await shop.settle()
    assert (await shop.payments(user))[0]["status"] == "CANCELLED"


async def test_a_plan_changed_at_stripe_is_followed_and_its_difference_is_a_payment(shop):
    user = await shop.register()
    await shop.buy(user, "creator")
    other = await shop.register()
    await shop.checkout(other, "studio")
    [studio] = (await shop.stripe("GET", "prices", **{"lookup_keys[]": "atelier_studio_month_9900"}))["data"]
    [subscription] = (await shop.stripe("GET", "subscriptions"))["data"]
    await shop.stripe(
        "POST",
        f"subscriptions/{subscription['id']}",
        proration_behavior="always_invoice",
        **{"items[0][id]": subscription["items"]["data"][0]["id"], "items[0][price]": studio["id"]},
    )
    await shop.settle()
    assert (await shop.entitlement(user))["plan_id"] == "studio"
    newest, _ = await shop.payments(user)
    assert (newest["kind"], newest["status"], newest["plan_id"]) == ("subscription_update", "PAID", "studio")
    [changed] = await shop.svc.published("subscription.plan_changed")
    assert (changed["data"]["previous_plan_id"], changed["data"]["plan_id"]) == ("creator", "studio")


async def test_an_ended_subscription_never_comes_back_whatever_arrives_late(shop):
    user = await shop.register()
    await shop.buy(user)
    await shop.svc.rows("UPDATE subscriptions SET status = 'ended' RETURNING 1")
    await shop.advance(32)
    assert [row["status"] for row in await shop.svc.rows("SELECT status FROM subscriptions")] == ["ended"]
    ignored = await shop.svc.rows("SELECT DISTINCT from_status, to_status FROM ignored_transitions")
    assert [(row["from_status"], row["to_status"]) for row in ignored] == [("ended", "active")]


async def test_a_late_failure_never_takes_back_what_was_paid(shop):
    user = await shop.register()
    paid = await shop.buy(user)
    now = shop.svc.clock.now()
    async with shop.svc.runtime.database.write() as session:
        payment = await session.get_one(Payment, UUID(paid["id"]))
        failure = payments.Failure(9, None, "card_declined")
        assert not await payments.record_failed(session, payment, failure, "a late attempt", now=now)
        assert not await payments.move(session, payment, "CANCELLED", "a late expiry", now=now)
    assert (await shop.payments(user))[0]["status"] == "PAID"
    ignored = await shop.svc.rows("SELECT to_status, reason FROM ignored_transitions ORDER BY to_status")
    assert [row["to_status"] for row in ignored] == ["CANCELLED", "FAILED"]


async def test_stripe_is_asked_once_for_a_price_it_has_already(shop):
    first, second = await shop.register(), await shop.register()
    await shop.checkout(first)
    await shop.svc.rows("DELETE FROM prices RETURNING 1")
    await shop.checkout(second)
    assert len((await shop.stripe("GET", "prices"))["data"]) == 1


async def test_a_subscription_that_ended_at_stripe_is_ended_here_when_its_owner_cancels(shop):
    user = await shop.register()
    await shop.buy(user)
    await shop.control("delivery", drop=True)
    [subscription] = (await shop.stripe("GET", "subscriptions"))["data"]
    await shop.stripe("DELETE", f"subscriptions/{subscription['id']}")
    async with shop.svc.client(user) as client:
        answer = await client.post("/v1/billing/subscription/cancel", json={"at_period_end": False})
        assert answer.json() == {"subscription": None}
        again = await client.post("/v1/billing/subscription/cancel", json={"at_period_end": False})
    assert (again.status_code, again.json()["code"]) == (409, "no_subscription")


async def test_a_refusal_and_an_outage_are_told_apart(shop):
    gateway = shop.svc.runtime.parts.gateway
    with pytest.raises(ObjectMissing):
        await gateway.get_invoice("in_missing")
    with pytest.raises(StripeRefused, match="limit"):
        await gateway.create_refund({"payment_intent": "pi_x", "limit": 1}, key="wrong")
    await shop.control("faults", method="GET", path="/v1/invoices/*", kind="429", times=3)
    with pytest.raises(PaymentProviderUnavailable):
        await gateway.get_invoice("in_missing")


async def test_lists_page_from_the_newest_to_the_oldest(shop):
    user = await shop.register()
    await shop.buy(user)
    await shop.advance(32)
    async with shop.svc.client(user) as client:
        first = (await client.get("/v1/billing/payments?limit=1")).json()
        second = (await client.get(f"/v1/billing/payments?limit=1&cursor={first['next_cursor']}")).json()
    assert [page["items"][0]["kind"] for page in (first, second)] == ["subscription_cycle", "subscription_create"]
    async with shop.svc.admin(new_id()) as admin:
        seen, cursor = [], ""
        while cursor is not None:
            page = (await admin.get(f"/v1/admin/billing/webhook-events?limit=4{cursor}")).json()
            seen += [item["id"] for item in page["items"]]
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert len(set(seen)) == len(seen) == len(await events(shop))


async def test_a_renewal_that_needs_its_owner_says_so(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], "renewal_3ds")
    await shop.settle()
    await shop.advance(32)
    failed = await shop.svc.published("payment.failed")
    assert failed[0]["data"]["code"] == "authentication_required"


async def test_the_coupon_of_an_earlier_day_is_used_again(shop):
    gateway = shop.svc.runtime.parts.gateway
    await gateway.ensure_coupon(15)
    await shop.advance(2)
    assert await gateway.ensure_coupon(15) == "atelier_referral_15"
    assert len((await shop.stripe("GET", "coupons"))["data"]) == 1


async def test_a_session_that_was_paid_cannot_be_closed_and_that_is_no_error(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.svc.runtime.parts.gateway.expire_checkout_session(payment["stripe_session_id"], key="late")
    assert (await shop.payments(user))[0]["status"] == "PAID"


async def test_a_price_that_is_not_ours_leaves_the_plan_as_it_was(shop):
    user = await shop.register()
    await shop.buy(user)
    [product] = (await shop.stripe("GET", "products"))["data"]
    fields = {"currency": "usd", "unit_amount": "100", "product": product["id"], "recurring[interval]": "month"}
    price = await shop.stripe("POST", "prices", **fields)
    [subscription] = (await shop.stripe("GET", "subscriptions"))["data"]
    await shop.stripe(
        "POST",
        f"subscriptions/{subscription['id']}",
        **{"items[0][id]": subscription["items"]["data"][0]["id"], "items[0][price]": price["id"]},
    )
    await shop.settle()
    assert (await shop.entitlement(user))["plan_id"] == "viral"


async def test_an_outage_while_an_event_is_worked_off_is_got_over(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control("faults", method="GET", path="/v1/refunds/*", kind="429", times=2)
    await shop.stripe("POST", "refunds", payment_intent=payment["stripe_payment_intent_id"], amount="100")
    await shop.settle()
    assert (await shop.payments(user))[0]["amount_refunded"] == 100


async def test_waiting_for_a_running_request_with_the_same_key_ends(monkeypatch):
    """The error is as the SDK makes it from Stripe's 409: its `code` is empty, only the body tells."""
    monkeypatch.setattr(stripe_gateway, "KEY_IN_USE_PAUSE_SECONDS", (0, 0))
    body = {"error": {"code": "idempotency_key_in_use"}}
    tries = []

    async def never_done():
        tries.append(1)
        raise stripe.APIError("in use", json_body=body, http_status=409)

    with pytest.raises(stripe.APIError):
        await stripe_gateway._patiently(never_done)
    assert len(tries) == stripe_gateway.KEY_IN_USE_TRIES + 1
