"""Packs and grants: bought once, spendable at once, gone with their money, and left alone by everything else."""

from datetime import datetime, timedelta

import pytest

from shared.ids import new_id
from shared.periods import months_after


async def order_pack(shop, user, pack_id="images-100", **body):
    async with shop.svc.client(user) as client:
        answer = await client.post("/v1/billing/checkout", json={"pack_id": pack_id, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def buy_pack(shop, user, pack_id="images-100", card="ok"):
    checkout = await order_pack(shop, user, pack_id)
    await shop.pay(checkout["session_id"], card)
    await shop.settle()
    [payment] = [each for each in await shop.payments(user) if each["stripe_session_id"] == checkout["session_id"]]
    return payment


async def units(shop, user, metric="images"):
    """How much of a metric the last published snapshot grants on top of the plan."""
    told = [event["data"] for event in await shop.svc.published("entitlement.changed")]
    mine = [data for data in told if data["user_id"] == str(user)]
    granted = {grant["grant_id"]: grant for grant in mine[-1]["grants"]}
    now = await shop.entitlement(user)
    assert {grant["grant_id"]: grant["amount"] for grant in now["grants"]} == {
        grant_id: grant["amount"] for grant_id, grant in granted.items()
    }
    return sum(grant["amount"] for grant in granted.values() if grant["metric"] == metric)


async def test_a_bought_pack_is_one_payment_and_a_grant_in_the_snapshot_of_rights(shop):
    user = await shop.register()
    payment = await buy_pack(shop, user)
    assert (payment["kind"], payment["status"], payment["amount"]) == ("one_time", "PAID", 900)
    assert (payment["plan_id"], payment["plan_name"]) == ("images-100", "100 extra images")
    assert (payment["billing_cycle"], payment["stripe_subscription_id"]) == (None, None)
    [event] = await shop.svc.published("payment.paid")
    assert (event["data"]["kind"], event["data"]["subscription_id"]) == ("one_time", None)
    snapshot = (await shop.svc.published("entitlement.changed"))[-1]["data"]
    assert snapshot["plan_id"] == "free"
    [images] = [grant for grant in snapshot["grants"] if grant["metric"] == "images"]
    assert images["amount"] == 100
    paid_at = datetime.fromisoformat(payment["paid_at"])
    assert datetime.fromisoformat(images["expires_at"]) == months_after(paid_at, 12)


async def test_packs_are_listed_and_an_order_names_one_thing(shop):
    user = await shop.register()
    async with shop.svc.client(user) as client:
        packs = {pack["pack_id"]: pack for pack in (await client.get("/v1/billing/packs")).json()["items"]}
        assert packs["images-100"]["grants"]["images"] == 100
        for body, code in (
            ({"pack_id": "gold"}, "unknown_pack"),
            ({"pack_id": "viral"}, "unknown_pack"),
            ({"plan_id": "images-100", "interval": "month"}, "unknown_plan"),
            ({"pack_id": "images-100", "interval": "month"}, "invalid"),
            ({"pack_id": "images-100", "plan_id": "viral", "interval": "month"}, "invalid"),
            ({"plan_id": "viral"}, "invalid"),
            ({}, "invalid"),
        ):
            answer = await client.post("/v1/billing/checkout", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, code), body


async def test_a_subscriber_can_buy_packs_and_each_counts(shop):
    user = await shop.register()
    await shop.buy(user)
    await buy_pack(shop, user)
    await buy_pack(shop, user)
    assert await units(shop, user) == 200
    assert (await shop.entitlement(user))["plan_id"] == "viral"


async def test_a_pack_is_granted_once_however_often_its_webhooks_come(shop):
    user = await shop.register()
    await shop.control("delivery", duplicate=4, shuffle=True)
    await buy_pack(shop, user)
    await shop.control("delivery", duplicate=0, shuffle=False)
    assert await units(shop, user) == 100
    assert len(await shop.svc.published("payment.paid")) == 1
    assert len(await shop.svc.rows("SELECT id FROM grants WHERE metric = 'images'")) == 1


async def test_a_pack_whose_webhooks_were_all_lost_is_delivered_by_the_reconciler(shop):
    user = await shop.register()
    await shop.control("delivery", drop=True)
    checkout = await order_pack(shop, user)
    await shop.pay(checkout["session_id"])
    await shop.control("delivery", drop=False)
    assert (await shop.entitlement(user))["grants"] == []
    async with shop.svc.admin(new_id()) as admin:
        healed = (await admin.post("/v1/admin/billing/reconcile", json={"heal": True})).json()
    assert {drift["kind"] for drift in healed["drifts"]} >= {"payment", "checkout", "grant", "invoice"}
    assert await units(shop, user) == 100


@pytest.mark.parametrize(("refund", "left"), [(1, 99), (450, 50), (899, 0), (900, 0)])
async def test_a_refund_takes_back_what_its_money_paid_for(shop, refund, left):
    user = await shop.register()
    payment = await buy_pack(shop, user)
    assert (await shop.refund(payment["id"], amount=refund)).status_code == 200
    await shop.settle()
    assert await units(shop, user) == left


async def test_refunds_and_a_lost_dispute_take_each_unit_back_once(shop):
    user = await shop.register()
    payment = await buy_pack(shop, user)
    await shop.refund(payment["id"], amount=450)
    await shop.settle()
    await shop.control(f"payments/{payment['stripe_payment_intent_id']}/dispute")
    await shop.settle()
    assert await units(shop, user) == 0
    await shop.control(f"payments/{payment['stripe_payment_intent_id']}/dispute_lose")
    await shop.settle()
    assert await units(shop, user) == 0
    [row] = await shop.svc.rows("SELECT amount, taken_back, is_frozen FROM grants WHERE metric = 'images'")
    assert row == {"amount": 100, "taken_back": 100, "is_frozen": True}


async def test_a_dispute_freezes_a_grant_and_winning_it_gives_it_back_whole(shop):
    user = await shop.register()
    payment = await buy_pack(shop, user)
    await shop.control(f"payments/{payment['stripe_payment_intent_id']}/dispute")
    await shop.settle()
    assert await units(shop, user) == 0
    await shop.control(f"payments/{payment['stripe_payment_intent_id']}/dispute_win")
    await shop.settle()
    assert await units(shop, user) == 100


async def test_a_refund_that_fails_later_gives_back_what_it_took(shop):
    user = await shop.register()
    payment = await buy_pack(shop, user, card="refund_fails")
    await shop.refund(payment["id"])
    await shop.settle()
    assert await units(shop, user) == 0
    await shop.advance(2)
    assert await units(shop, user) == 100


async def test_a_refund_in_stripes_dashboard_takes_a_pack_back_as_well(shop):
    user = await shop.register()
    payment = await buy_pack(shop, user)
    await shop.stripe("POST", "refunds", payment_intent=payment["stripe_payment_intent_id"], amount=225)
    await shop.settle()
    assert await units(shop, user) == 75


async def test_renewals_changes_and_the_end_of_a_plan_leave_a_grant_alone(shop):
    user = await shop.register()
    subscription = await shop.buy(user)
    await buy_pack(shop, user)
    [before] = [grant for grant in (await shop.entitlement(user))["grants"] if grant["metric"] == "images"]
    await shop.advance(32)
    assert len(await shop.svc.published("subscription.renewed")) == 1
    assert before in (await shop.entitlement(user))["grants"]
    await shop.refund(subscription["id"])
    await shop.settle()
    async with shop.svc.client(user) as client:
        await client.post("/v1/billing/subscription/cancel", json={"at_period_end": False})
    await shop.settle()
    rights = await shop.entitlement(user)
    assert rights["plan_id"] == "free"
    assert before in rights["grants"]


async def test_a_grant_that_ran_out_leaves_the_snapshot_by_itself(shop):
    user = await shop.register()
    await buy_pack(shop, user)
    await shop.advance(366)
    told = len(await shop.svc.published("entitlement.changed"))
    await expire(shop)
    await expire(shop)
    assert await units(shop, user) == 0
    assert len(await shop.svc.published("entitlement.changed")) == told + 1


async def expire(shop):
    [task] = [every.task for every in shop.svc.service.every if every.task.__name__ == "expire_grants"]
    await task(shop.svc.runtime)


async def test_a_delayed_payment_grants_when_the_money_comes_and_not_before(shop):
    user = await shop.register()
    payment = await buy_pack(shop, user, card="delayed")
    assert payment["status"] == "PROCESSING"
    assert (await shop.entitlement(user))["grants"] == []
    await shop.advance(2)
    assert await units(shop, user) == 100


async def test_a_delayed_payment_that_bounces_grants_nothing(shop):
    user = await shop.register()
    await buy_pack(shop, user, card="delayed_fails")
    await shop.advance(2)
    [payment] = await shop.payments(user)
    assert payment["status"] == "FAILED"
    assert (await shop.entitlement(user))["grants"] == []
    [failed] = await shop.svc.published("payment.failed")
    assert failed["data"]["is_final"] is True


async def test_money_that_comes_after_the_checkout_was_replaced_is_delivered(shop):
    user = await shop.register()
    first = await order_pack(shop, user)
    await shop.pay(first["session_id"], "delayed")
    await order_pack(shop, user, "messages-500")
    await shop.settle()
    await shop.advance(2)
    assert await units(shop, user) == 100


async def test_staff_can_grant_and_the_same_key_grants_once(shop):
    user = await shop.register()
    ends = shop.svc.clock.now() + timedelta(days=10)
    body = {"metric": "chat_messages", "amount": 25, "reason": "an outage", "expires_at": ends.isoformat()}
    async with shop.svc.admin(new_id()) as admin:
        path, key = f"/v1/admin/billing/users/{user}/grants", {"Idempotency-Key": "sorry-1"}
        first = await admin.post(path, json=body, headers=key)
        again = await admin.post(path, json=body, headers=key)
        other = await admin.post(path, json={**body, "amount": 26}, headers=key)
        listed = (await admin.get(path)).json()["items"]
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert again.json() == first.json() == listed[0]
    assert len(listed) == 1
    [grant] = (await shop.entitlement(user))["grants"]
    assert (grant["grant_id"], grant["amount"]) == (first.json()["grant_id"], 25)
    assert await units(shop, user, "chat_messages") == 25


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"metric": "gold"}, 422, "invalid"),
        ({"amount": 0}, 422, "invalid"),
        ({"amount": 1.5}, 422, "invalid"),
        ({"reason": ""}, 422, "invalid"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "grant_in_the_past"),
        ({"expires_at": "2020-01-01T00:00:00"}, 422, "invalid"),
    ],
)
async def test_a_bad_grant_is_a_clear_problem(shop, change, status, code):
    user = await shop.register()
    body = {"metric": "images", "amount": 5, "reason": "sorry", **change}
    async with shop.svc.admin(new_id()) as admin:
        answer = await admin.post(f"/v1/admin/billing/users/{user}/grants", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await shop.entitlement(user))["grants"] == []


async def test_only_staff_grant_and_only_to_users_there_are(shop):
    user = await shop.register()
    body = {"metric": "images", "amount": 5, "reason": "sorry"}
    async with shop.svc.client(user) as client:
        assert (await client.post(f"/v1/admin/billing/users/{user}/grants", json=body)).status_code == 403
    async with shop.svc.admin(new_id()) as admin:
        assert (await admin.post(f"/v1/admin/billing/users/{new_id()}/grants", json=body)).status_code == 404
