"""What people do in Stripe's dashboard: customers and prices that go, and warnings that somebody must see."""

from types import SimpleNamespace

import pytest
import structlog

from services.billing.stripe_objects import InvoiceSnapshot
from services.billing.usecases.dashboard import WARNINGS, note_unfinalised, sync_customer
from services.billing.usecases.synchronise import Books
from tests.billing.test_event_types import told


async def delete_customer(shop, user):
    [bound] = await shop.svc.rows(
        "SELECT stripe_customer_id AS id FROM billing_customers WHERE user_id = %(u)s", u=user
    )
    answer = await shop.twin.delete(
        f"/twin/stripe/v1/customers/{bound['id']}", headers={"Authorization": "Bearer sk_test_twin"}
    )
    assert answer.is_success, answer.text
    await shop.settle()
    return bound["id"]


async def current_price(shop):
    return (await shop.svc.rows("SELECT stripe_price_id AS id FROM prices WHERE retired_at IS NULL"))[0]["id"]


async def test_whose_customer_was_deleted_at_stripe_is_free_keeps_the_history_and_buys_again(shop):
    user = await shop.register()
    first = await shop.buy(user)
    gone = await delete_customer(shop, user)
    assert (await shop.entitlement(user))["plan_id"] == "free"
    assert [payment["id"] for payment in await shop.payments(user)] == [first["id"]]
    await shop.buy(user)
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    bound = [event["data"]["stripe_customer_id"] for event in await shop.svc.published("user.stripe_customer_bound")]
    assert (len(set(bound)), bound[0]) == (2, gone)


async def test_the_plan_ends_with_the_customer_even_if_the_end_of_the_subscription_was_never_told(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.control("delivery", drop=True)
    gone = payment["stripe_customer_id"]
    await shop.twin.delete(f"/twin/stripe/v1/customers/{gone}", headers={"Authorization": "Bearer sk_test_twin"})
    parts = shop.svc.runtime.parts
    async with shop.svc.runtime.database.write() as session:
        await sync_customer(Books(session, parts.gateway, shop.svc.clock.now(), parts.grace), gone)
    assert (await shop.entitlement(user))["plan_id"] == "free"


async def test_who_never_subscribed_is_forgotten_with_the_customer(shop):
    user = await shop.register()
    await shop.checkout(user)
    await delete_customer(shop, user)
    [customer] = await shop.svc.rows("SELECT stripe_customer_id FROM billing_customers WHERE user_id = %(u)s", u=user)
    assert customer["stripe_customer_id"] is None


async def test_a_price_that_is_gone_at_stripe_is_sold_no_more(shop):
    await shop.svc.rows(
        "INSERT INTO prices (lookup_key, livemode, stripe_price_id) VALUES ('viral_month', false, 'price_gone')"
        " RETURNING 1"
    )
    await told(shop, "price.deleted", {"id": "price_gone", "object": "price"})
    await shop.settle()
    [price] = await shop.svc.rows("SELECT retired_at FROM prices")
    assert price["retired_at"] is not None


async def test_a_customer_of_somebody_else_s_is_nothing_to_us(shop):
    foreign = await shop.stripe("POST", "customers")
    await shop.twin.delete(
        f"/twin/stripe/v1/customers/{foreign['id']}", headers={"Authorization": "Bearer sk_test_twin"}
    )
    await shop.settle()
    [event] = await shop.svc.rows("SELECT status FROM webhook_events WHERE event_type = 'customer.deleted'")
    assert event["status"] == "PROCESSED"
    assert await shop.svc.rows("SELECT 1 FROM billing_customers") == []


@pytest.mark.parametrize("times", [1, 2])
async def test_a_price_that_was_archived_is_followed_by_another_and_subscribers_keep_it(shop, times):
    ann = await shop.register()
    await shop.buy(ann)
    known = {await current_price(shop)}
    for _ in range(times):
        await shop.stripe("POST", f"prices/{await current_price(shop)}", active="false")
        await shop.settle()
        bob = await shop.register()
        checkout = await shop.checkout(bob)
        known.add(await current_price(shop))
    assert len(known) == times + 1
    await shop.pay(checkout["session_id"])
    await shop.advance(32)
    assert [payment["plan_id"] for payment in await shop.payments(ann)] == ["viral", "viral"]
    assert [payment["status"] for payment in await shop.payments(bob)][:1] == ["PAID"]


async def test_a_price_that_only_got_a_nickname_is_sold_as_before(shop):
    await shop.buy(await shop.register())
    price = await current_price(shop)
    await shop.stripe("POST", f"prices/{price}", nickname="Our best")
    await shop.settle()
    assert await current_price(shop) == price


async def test_a_fraud_warning_is_told_to_people_and_changes_nothing_of_the_buyers(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    before = WARNINGS.labels("early_fraud_warning")._value.get()
    with structlog.testing.capture_logs() as logs:
        await shop.control(f"payments/{payment['stripe_payment_intent_id']}/fraud_warning")
        await shop.settle()
    [entry] = [entry for entry in logs if entry["event"] == "payment_may_be_fraud"]
    assert entry["intent"] == payment["stripe_payment_intent_id"]
    assert WARNINGS.labels("early_fraud_warning")._value.get() == before + 1
    assert await shop.payments(user) == [payment]


async def test_a_warning_of_what_was_paid_back_already_alarms_nobody(shop):
    payment = await shop.buy(await shop.register())
    await shop.refund(payment["id"])
    await shop.settle()
    with structlog.testing.capture_logs() as logs:
        await shop.control(f"payments/{payment['stripe_payment_intent_id']}/fraud_warning")
        await shop.settle()
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_an_invoice_that_stripe_can_not_make_final_is_told_to_people(shop):
    async def get_invoice(invoice_id):
        error = {"code": "customer_tax_location_invalid"}
        facts = {"id": invoice_id, "status": "draft", "currency": "usd", "last_finalization_error": error}
        return InvoiceSnapshot.model_validate(
            {"amount_due": 0, "amount_paid": 0, "total": 0, "created": 1, "customer": "c", **facts}
        )

    parts = shop.svc.runtime.parts
    with structlog.testing.capture_logs() as logs:
        async with shop.svc.runtime.database.write() as session:
            gateway = SimpleNamespace(get_invoice=get_invoice)
            await note_unfinalised(Books(session, gateway, shop.svc.clock.now(), parts.grace), "in_1")
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("invoice_not_finalised", "customer_tax_location_invalid")
    ]
