"""Every type of event that we act upon leads to the object as Stripe has it now, and says nothing twice."""

import json

from services.billing.usecases.webhooks import HANDLED, UNUSED
from tests.support.billing_dump import dump_of
from tests.support.billing_stories import WEBHOOKS, signed

LIST_OF = {
    "checkout.session": "checkout/sessions",
    "payment_intent": "payment_intents",
    "invoice": "invoices",
    "customer.subscription": "subscriptions",
    "subscription_schedule": "subscription_schedules",
    "refund": "refunds",
    "charge": "charges",
    "charge.dispute": "disputes",
    "radar.early_fraud_warning": "radar/early_fraud_warnings",
    "customer": "customers",
    "price": "prices",
}


async def lived(shop):
    """A customer with one of everything."""
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.refund(payment["id"], amount=700)
    await shop.advance(32)
    [renewal, _] = (await shop.stripe("GET", "payment_intents"))["data"]
    await shop.control(f"payments/{renewal['id']}/fraud_warning")
    await shop.control(f"payments/{renewal['id']}/dispute")
    await shop.control(f"payments/{renewal['id']}/dispute_win")
    await shop.settle()
    async with shop.svc.client(user) as client:
        body = {"plan_id": "creator", "interval": "month"}
        answer = await client.post("/v1/billing/subscription/change", json=body)
        assert answer.is_success, answer.text
    await shop.settle()
    return user


async def told(shop, event_type, thing):
    event = {"id": f"evt_{event_type}", "object": "event", "type": event_type, "livemode": False, "created": 1}
    body = json.dumps({**event, "data": {"object": thing}}).encode()
    async with shop.svc.client() as client:
        assert (await client.post(WEBHOOKS, content=body, headers=signed(body))).status_code == 200


async def test_every_type_of_event_is_worked_off_and_repeats_nothing(shop):
    user = await lived(shop)
    before, outbox = await dump_of(shop, user), len(await shop.svc.published())
    newest = {kind: (await shop.stripe("GET", path))["data"][0] for kind, path in LIST_OF.items()}
    for event_type in HANDLED:
        kind = max((kind for kind in LIST_OF if event_type.startswith(f"{kind}.")), key=len)
        await told(shop, event_type, newest[kind])
    await shop.settle()
    rows = await shop.svc.rows(
        "SELECT event_type, status, last_error FROM webhook_events WHERE stripe_event_id = 'evt_' || event_type"
    )
    assert {row["event_type"] for row in rows} == set(HANDLED)
    assert [row for row in rows if row["status"] != "PROCESSED"] == []
    assert await dump_of(shop, user) == before
    assert len(await shop.svc.published()) == outbox


def test_what_is_told_to_us_is_acted_upon_or_has_a_reason_not_to_be():
    """No event of the list tells a fact that another one tells too; those have their reason beside them."""
    assert not UNUSED.keys() & HANDLED.keys()
    assert {"charge.succeeded", "invoice.payment_succeeded"} <= UNUSED.keys()
    assert all(len(reason) > 20 for reason in UNUSED.values())


async def test_what_is_not_acted_upon_is_kept_and_ignored(shop):
    for event_type in UNUSED:
        await told(shop, event_type, {"id": "some_thing"})
    await shop.settle()
    rows = await shop.svc.rows("SELECT status FROM webhook_events WHERE stripe_event_id = 'evt_' || event_type")
    assert [row["status"] for row in rows] == ["IGNORED"] * len(UNUSED)
