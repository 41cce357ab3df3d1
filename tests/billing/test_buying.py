"""From the plan list to a paid subscription."""

import asyncio
from uuid import uuid4

import pytest

from shared.ids import new_id


async def test_plans_are_public_and_a_year_costs_ten_months(shop):
    async with shop.svc.client() as client:
        items = (await client.get("/v1/billing/plans")).json()["items"]
    assert [item["plan_id"] for item in items] == ["free", "creator", "viral", "studio"]
    assert all(item["prices"]["year"] == 10 * item["prices"]["month"] for item in items)


async def test_a_new_user_has_the_free_plan_at_once(shop):
    user = await shop.register()
    assert (await shop.entitlement(user))["plan_id"] == "free"
    assert (await shop.entitlement(new_id()))["plan_id"] == "free"
    [event] = await shop.svc.published("entitlement.changed")
    assert event["data"]["plan_id"] == "free"


async def test_a_paid_checkout_becomes_one_payment_one_subscription_and_the_plan(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    [pending] = await shop.payments(user)
    assert (pending["status"], pending["stripe_session_id"]) == ("PENDING", checkout["session_id"])
    await shop.pay(checkout["session_id"])
    await shop.settle()
    [payment] = await shop.payments(user)
    assert (payment["status"], payment["amount"], payment["kind"]) == ("PAID", 3900, "subscription_create")
    assert payment["stripe_payment_intent_id"]
    assert payment["stripe_subscription_id"]
    entitlement = await shop.entitlement(user)
    assert (entitlement["plan_id"], entitlement["limits"]["ai_generations"]) == ("viral", 400)
    [paid] = await shop.svc.published("payment.paid")
    assert paid["data"]["amount_net"] == 3900
    assert paid["data"]["is_first_payment"] is True
    assert len(await shop.svc.published("subscription.activated")) == 1
    async with shop.svc.client(user) as client:
        status = (await client.get(f"/v1/billing/checkout/{checkout['checkout_id']}")).json()
        subscription = (await client.get("/v1/billing/subscription")).json()["subscription"]
    assert (status["status"], status["payment_status"]) == ("complete", "paid")
    assert (subscription["plan_id"], subscription["status"]) == ("viral", "active")


async def test_the_published_path_opens_the_same_checkout(shop):
    user = await shop.register()
    async with shop.svc.client(user) as client:
        answer = await client.post(
            "/api/checkout/create-session", json={"plan_id": "creator", "billing_cycle": "yearly"}
        )
    assert answer.status_code == 201
    assert set(answer.json()) == {"session_id", "url"}
    await shop.pay(answer.json()["session_id"])
    await shop.settle()
    [payment] = await shop.payments(user)
    assert (payment["amount"], payment["billing_cycle"], payment["status"]) == (19000, "yearly", "PAID")


async def test_ten_parallel_checkouts_open_one_session(shop):
    user = await shop.register()
    opened = await asyncio.gather(*(shop.checkout(user) for _ in range(10)))
    assert len({entry["session_id"] for entry in opened}) == 1
    assert len(await shop.payments(user)) == 1


async def test_somebody_unheard_of_who_clicks_ten_times_opens_one_session(shop):
    user = new_id()
    sessions = await asyncio.gather(*(shop.checkout(user) for _ in range(10)))
    assert len({session["session_id"] for session in sessions}) == 1


async def test_two_first_buyers_of_a_plan_at_once_each_get_a_session(shop, monkeypatch):
    gateway, both = shop.svc.runtime.parts.gateway, asyncio.Barrier(2)
    ask = gateway.ensure_price

    async def ask_together(*arguments, **options):
        price = await ask(*arguments, **options)
        await both.wait()
        return price

    monkeypatch.setattr(gateway, "ensure_price", ask_together)
    users = [await shop.register() for _ in range(2)]
    sessions = await asyncio.gather(*(shop.checkout(user, "creator") for user in users))
    assert len({session["session_id"] for session in sessions}) == 2
    assert len((await shop.stripe("GET", "prices"))["data"]) == 1


async def test_another_plan_replaces_the_open_checkout(shop):
    user = await shop.register()
    first = await shop.checkout(user, "creator")
    second = await shop.checkout(user, "viral")
    await shop.settle()
    async with shop.svc.client(user) as client:
        old = (await client.get(f"/v1/billing/checkout/{first['checkout_id']}")).json()
    assert old["status"] == "expired"
    assert first["session_id"] != second["session_id"]


async def test_a_subscriber_cannot_buy_a_second_subscription(shop):
    user = await shop.register()
    await shop.buy(user)
    async with shop.svc.client(user) as client:
        answer = await client.post("/v1/billing/checkout", json={"plan_id": "studio", "interval": "month"})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")


async def test_the_same_key_replays_a_checkout_and_another_body_is_refused(shop):
    user = await shop.register()
    headers = {"Idempotency-Key": "buy-1"}
    body = {"plan_id": "viral", "interval": "month"}
    async with shop.svc.client(user) as client:
        first = await client.post("/v1/billing/checkout", json=body, headers=headers)
        again = await client.post("/v1/billing/checkout", json=body, headers=headers)
        other = await client.post("/v1/billing/checkout", json={**body, "plan_id": "studio"}, headers=headers)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"plan_id": "free", "interval": "month"}, 422, "unknown_plan"),
        ({"plan_id": "gold", "interval": "month"}, 422, "unknown_plan"),
        ({"plan_id": "viral", "interval": "week"}, 422, "invalid"),
        ({"plan_id": "viral", "interval": "month", "price": 1}, 422, "invalid"),
        ({"plan_id": "viral", "interval": "month", "success_url": "https://evil.example/x"}, 422, "foreign_return_url"),
        ({"plan_id": "viral", "interval": "month", "promotion_code": "NOPE"}, 422, "unknown_promotion_code"),
        ([], 422, "invalid"),
    ],
)
async def test_a_bad_order_is_a_clear_problem(shop, body, status, code):
    user = await shop.register()
    async with shop.svc.client(user) as client:
        answer = await client.post("/v1/billing/checkout", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_somebody_elses_money_is_not_found(shop):
    owner, stranger = await shop.register(), await shop.register()
    checkout = await shop.checkout(owner)
    [payment] = await shop.payments(owner)
    async with shop.svc.client(stranger) as client:
        assert (await client.get(f"/v1/billing/payments/{payment['id']}")).status_code == 404
        assert (await client.get(f"/v1/billing/checkout/{checkout['checkout_id']}")).status_code == 404
        assert (await client.get(f"/v1/billing/payments/{uuid4()}")).status_code == 404
        assert (await client.get(f"/v1/billing/checkout/{uuid4()}")).status_code == 404
        assert (await client.get("/v1/billing/payments")).json()["items"] == []
        assert (await client.get("/v1/admin/billing/payments")).status_code == 403


async def test_a_declined_card_leaves_the_session_open_for_another(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], "declined")
    await shop.settle()
    assert (await shop.entitlement(user))["plan_id"] == "free"
    await shop.pay(checkout["session_id"])
    await shop.settle()
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    [payment] = await shop.payments(user)
    assert payment["status"] == "PAID"


async def test_an_expired_session_frees_the_reservation(shop):
    user = await shop.register()
    first = await shop.checkout(user)
    await shop.advance(2)
    [payment] = await shop.payments(user)
    assert payment["status"] == "CANCELLED"
    second = await shop.checkout(user)
    assert second["session_id"] != first["session_id"]


async def test_stripe_acting_and_then_timing_out_makes_one_session(shop):
    user = await shop.register()
    await shop.control("faults", method="POST", path="/v1/checkout/sessions", kind="reset", times=1)
    checkout = await shop.checkout(user)
    assert checkout["url"]
    assert len(await shop.payments(user)) == 1


# How often the SDK asks before it gives up; whoever is told to slow down is not asked again.
@pytest.mark.parametrize(("kind", "times"), [("429", 1), ("500", 3), ("409", 3), ("reset", 3)])
async def test_stripe_being_down_is_a_clear_problem_and_the_order_goes_on_later(shop, kind, times):
    user = await shop.register()
    await shop.control("faults", method="POST", path="/v1/checkout/sessions", kind=kind, times=times)
    async with shop.svc.client(user) as client:
        answer = await client.post("/v1/billing/checkout", json={"plan_id": "viral", "interval": "month"})
    assert (answer.status_code, answer.json()["code"]) == (503, "payment_provider_unavailable")
    assert "retry-after" in answer.headers
    assert (await shop.checkout(user))["url"]
    assert len((await shop.stripe("GET", "checkout/sessions"))["data"]) == 1


async def test_a_payment_is_found_by_its_id_by_its_session_and_by_its_user(shop):
    user, other = await shop.register(), await shop.register()
    payment = await shop.buy(user)
    checkout = await shop.checkout(other)
    async with shop.svc.client(user) as client:
        assert (await client.get(f"/v1/billing/payments/{payment['id']}")).json() == payment
        mine = f"/v1/billing/payments?session_id={payment['stripe_session_id']}"
        theirs = f"/v1/billing/payments?session_id={checkout['session_id']}"
        assert (await client.get(mine)).json()["items"] == [payment]
        assert (await client.get(theirs)).json()["items"] == []
        assert (await client.get("/v1/billing/payments?session_id=%00")).status_code == 422
    async with shop.svc.admin(new_id()) as admin:
        assert (await admin.get(f"/v1/admin/billing/payments?user_id={user}")).json()["items"] == [payment]
        [found] = (await admin.get(f"/v1/admin{theirs[3:]}")).json()["items"]
    assert found["user_id"] == str(other)
