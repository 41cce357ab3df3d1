"""Stripe fails again and again: it is left alone for a while, and what had to be asked waits."""

import pytest
import stripe

from services.billing.errors import (
    ObjectMissing,
    PaymentProviderResting,
    PaymentProviderUnavailable,
    StripeRefused,
)
from services.billing.stripe_gateway import RETRIES
from services.billing.usecases.webhooks import HANDLED
from shared.breaker import FAILURES, REST_SECONDS
from tests.billing.test_webhooks import about, post, stored
from tests.support.billing import open_shop


@pytest.fixture
async def shop():
    async with open_shop() as opened:
        yield opened


def gateway_of(shop):
    return shop.svc.runtime.parts.gateway


async def test_stripe_is_left_alone_after_five_failures_and_tried_by_one_call_after_a_rest(shop, monkeypatch):
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    tries = FAILURES * (1 + RETRIES)
    await shop.control("faults", method="GET", path="/v1/subscriptions/*", kind="500", times=tries)
    gateway = gateway_of(shop)
    for _ in range(FAILURES):
        with pytest.raises(PaymentProviderUnavailable):
            await gateway.get_subscription("sub_1")
    # Stripe would answer again by now, and is not asked.
    with pytest.raises(PaymentProviderResting):
        await gateway.get_subscription("sub_1")
    shop.svc.clock.advance(REST_SECONDS)
    for _ in range(2):
        with pytest.raises(ObjectMissing):
            await gateway.get_subscription("sub_1")


async def test_a_buyer_is_told_at_once_while_stripe_is_left_alone(shop):
    user = await shop.register()
    for _ in range(FAILURES):
        gateway_of(shop).breaker.failed()
    async with shop.svc.client(user) as client:
        answer = await client.post("/v1/billing/checkout", json={"plan_id": "viral", "interval": "month"})
    assert (answer.status_code, answer.json()["code"]) == (503, "payment_provider_unavailable")


async def test_webhooks_wait_while_stripe_is_left_alone_and_lose_no_attempt(shop):
    await post(shop, about("cus_1", 1))
    for _ in range(FAILURES):
        gateway_of(shop).breaker.failed()
    assert await shop.svc.runtime.parts.work_off_webhooks() == 0
    assert await stored(shop) == [{"status": "RECEIVED", "attempts": 0}]
    shop.svc.clock.advance(REST_SECONDS)
    assert await shop.svc.runtime.parts.work_off_webhooks() == 1
    assert await stored(shop) == [{"status": "IGNORED", "attempts": 1}]


async def test_a_webhook_whose_turn_came_as_stripe_went_down_is_put_back_unharmed(shop, monkeypatch):
    async def rest(books, stripe_id):
        raise PaymentProviderResting

    monkeypatch.setitem(HANDLED, "customer.subscription.updated", rest)
    await post(shop, about("cus_1", 1))
    await shop.svc.runtime.parts.work_off_webhooks()
    assert await stored(shop) == [{"status": "RETRY", "attempts": 0}]


@pytest.mark.parametrize(("status", "is_told"), [("active", True), ("not_started", True), ("released", False)])
async def test_only_a_plan_that_is_over_may_refuse_to_be_taken_back(shop, monkeypatch, status, is_told):
    """The twin releases whatever runs, so the refusal of one that runs is made here."""
    gateway = gateway_of(shop)
    user = await shop.register()
    await shop.buy(user, "studio")
    [row] = await shop.svc.rows("SELECT stripe_subscription_id AS id FROM subscriptions")
    made = await shop.stripe("POST", "subscription_schedules", from_subscription=row["id"])
    await gateway.release_schedule(made["id"], key="first")
    found = await gateway.get_schedule(made["id"])

    async def get_schedule(_id):
        return found.model_copy(update={"status": status})

    monkeypatch.setattr(gateway, "get_schedule", get_schedule)
    if is_told:
        with pytest.raises(StripeRefused):
            await gateway.release_schedule(made["id"], key="second")
    else:
        await gateway.release_schedule(made["id"], key="second")
