"""Changing plans: what is offered is what is charged, up now, down when the paid time is over."""

import asyncio

import pytest

from services.billing.tasks_subscription import finish_changes, forget_offers, renew_limits
from services.billing.usecases.invariants import find_violations
from shared.contracts.accounts import UserDisabled
from shared.ids import new_id


async def preview(shop, user, plan_id="viral", interval="month"):
    async with shop.svc.client(user) as client:
        return await client.post(
            "/v1/billing/subscription/change/preview", json={"plan_id": plan_id, "interval": interval}
        )


async def ask_for_change(shop, user, plan_id="viral", interval="month", key=None):
    headers = {"Idempotency-Key": key} if key else {}
    async with shop.svc.client(user) as client:
        return await client.post(
            "/v1/billing/subscription/change", json={"plan_id": plan_id, "interval": interval}, headers=headers
        )


async def change(shop, user, plan_id="viral", interval="month", key=None):
    answer = await ask_for_change(shop, user, plan_id, interval, key)
    await shop.settle()
    return answer


async def subscription(shop, user):
    async with shop.svc.client(user) as client:
        return (await client.get("/v1/billing/subscription")).json()["subscription"]


async def with_plan(shop, plan_id="creator", interval="month", card="ok"):
    user = await shop.register()
    checkout = await shop.checkout(user, plan_id, interval)
    await shop.pay(checkout["session_id"], card)
    await shop.settle()
    return user


async def told(shop, kind):
    return [event["data"] for event in await shop.svc.published(kind)]


@pytest.mark.parametrize(("days", "due"), [(0, 2000), (10, None), (29, None)])
async def test_an_upgrade_charges_the_difference_for_the_rest_of_the_period_exactly_as_previewed(shop, days, due):
    user = await with_plan(shop)
    await shop.advance(days)
    offered = (await preview(shop, user)).json()
    assert offered["effective"] == "now"
    assert due in {None, offered["amount_due"]}
    assert sum(line["amount"] for line in offered["lines"]) == offered["amount_due"]
    shop.svc.clock.advance(600)
    answer = await change(shop, user)
    assert answer.status_code == 200, answer.text
    assert answer.json()["subscription"]["plan_id"] == "viral"
    newest = (await shop.payments(user))[0]
    assert (newest["kind"], newest["status"], newest["plan_id"]) == ("subscription_update", "PAID", "viral")
    assert newest["amount"] == offered["amount_due"]
    assert 0 < newest["amount"] <= 2000
    [fact] = await told(shop, "subscription.plan_changed")
    assert (fact["previous_plan_id"], fact["plan_id"]) == ("creator", "viral")


async def test_the_plan_is_there_when_the_answer_is_without_any_webhook(shop):
    user = await with_plan(shop)
    await shop.control("delivery", drop=True)
    answer = await ask_for_change(shop, user)
    assert answer.status_code == 200, answer.text
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    assert (await shop.payments(user))[0]["status"] == "PAID"
    assert (await shop.entitlement(user))["limits"]["ai_generations"] == 400


async def test_a_month_becomes_a_year_at_once_for_the_years_price_less_the_unused_month(shop):
    user = await with_plan(shop)
    offered = (await preview(shop, user, "creator", "year")).json()
    assert offered["effective"] == "now"
    assert (await change(shop, user, "creator", "year")).json()["subscription"]["interval"] == "year"
    newest = (await shop.payments(user))[0]
    assert newest["amount"] == offered["amount_due"] == 19000 - 1900
    assert newest["billing_cycle"] == "yearly"


@pytest.mark.parametrize(
    ("before", "after"), [(("viral", "month"), ("creator", "month")), (("creator", "year"), ("viral", "month"))]
)
async def test_a_smaller_plan_or_a_shorter_interval_waits_for_the_end_of_what_is_paid(shop, before, after):
    user = await with_plan(shop, *before)
    offered = (await preview(shop, user, *after)).json()
    assert (offered["effective"], offered["amount_due"]) == ("period_end", 0)
    row = (await change(shop, user, *after)).json()["subscription"]
    assert (row["plan_id"], row["next_plan_id"], row["next_interval"]) == (before[0], *after)
    assert row["next_plan_at"] == row["period_end"] == offered["effective_at"]
    assert (await shop.entitlement(user))["plan_id"] == before[0]
    assert len(await shop.payments(user)) == 1
    await shop.advance(32 if before[1] == "month" else 367)
    now = await subscription(shop, user)
    assert (now["plan_id"], now["interval"], now["next_plan_id"]) == (*after, None)
    assert (await shop.entitlement(user))["plan_id"] == after[0]
    prices = {"creator": 1900, "viral": 3900}
    newest = (await shop.payments(user))[0]
    assert (newest["status"], newest["amount"], newest["plan_id"]) == ("PAID", prices[after[0]], after[0])
    assert len(await told(shop, "subscription.plan_changed")) == 1


async def test_a_scheduled_change_is_taken_back_by_choosing_the_present_plan(shop):
    user = await with_plan(shop, "viral")
    await change(shop, user, "creator")
    again = await change(shop, user, "creator")
    assert (again.status_code, again.json()["code"]) == (409, "already_on_plan")
    row = (await change(shop, user, "viral")).json()["subscription"]
    assert (row["plan_id"], row["next_plan_id"]) == ("viral", None)
    await shop.advance(32)
    assert (await shop.payments(user))[0]["amount"] == 3900


async def test_an_upgrade_replaces_a_scheduled_downgrade(shop):
    user = await with_plan(shop, "viral")
    await change(shop, user, "creator")
    row = (await change(shop, user, "studio")).json()["subscription"]
    assert (row["plan_id"], row["next_plan_id"]) == ("studio", None)
    await shop.advance(32)
    assert (await shop.payments(user))[0]["amount"] == 9900


async def test_a_change_repeated_with_its_key_charges_once_and_another_change_with_it_is_refused(shop):
    user = await with_plan(shop)
    first = await change(shop, user, key="up")
    again = await change(shop, user, key="up")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"
    other = await change(shop, user, "studio", key="up")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(await shop.payments(user)) == 2


async def test_ten_clicks_at_once_change_and_charge_once(shop):
    user = await with_plan(shop)
    answers = await asyncio.gather(*(ask_for_change(shop, user) for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert 200 in {answer.status_code for answer in answers}
    await shop.settle()
    assert [payment["kind"] for payment in await shop.payments(user)] == ["subscription_update", "subscription_create"]
    assert len(await told(shop, "subscription.plan_changed")) == 1


async def test_a_declined_upgrade_changes_nothing_and_can_be_tried_again_with_another_card(shop):
    user = await with_plan(shop)
    customer = (await shop.payments(user))[0]["stripe_customer_id"]
    await shop.control(f"customers/{customer}/card", card="declined")
    answer = await change(shop, user, key="poor")
    assert (answer.status_code, answer.json()["code"]) == (402, "payment_declined")
    assert (await change(shop, user, key="poor")).status_code == 402
    assert (await subscription(shop, user))["plan_id"] == "creator"
    assert len(await shop.payments(user)) == 1
    await shop.control(f"customers/{customer}/card", card="ok")
    assert (await change(shop, user, key="rich")).status_code == 200
    assert (await shop.entitlement(user))["plan_id"] == "viral"


async def test_an_upgrade_that_the_bank_wants_confirmed_says_so_and_changes_nothing(shop):
    user = await with_plan(shop, card="renewal_3ds")
    for _ in range(2):
        answer = await change(shop, user, key="up")
        assert (answer.status_code, answer.json()["code"]) == (402, "payment_action_required")
    assert (await shop.entitlement(user))["plan_id"] == "creator"


async def test_a_change_whose_answer_was_lost_is_finished_later_and_charged_once(shop):
    user = await with_plan(shop)
    await shop.control("faults", method="POST", path="/v1/subscriptions/*", kind="reset", times=3)
    await shop.control("delivery", drop=True)
    assert (await ask_for_change(shop, user)).status_code in {200, 503}
    shop.svc.clock.advance(600)
    await finish_changes(shop.svc.runtime)
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    assert [payment["status"] for payment in await shop.payments(user)] == ["PAID", "PAID"]
    assert await shop.svc.rows("SELECT status FROM plan_changes") == [{"status": "done"}]


async def test_while_one_change_is_under_way_another_is_refused(shop):
    user = await with_plan(shop)
    await shop.control("faults", method="POST", path="/v1/subscriptions/*", kind="500", times=3)
    assert (await change(shop, user)).status_code == 503
    other = await change(shop, user, "studio")
    assert (other.status_code, other.json()["code"]) == (409, "change_in_progress")
    assert (await change(shop, user)).status_code == 200


async def test_a_subscription_that_is_overdue_ending_or_missing_is_not_changed(shop):
    stranger = await shop.register()
    assert (await change(shop, stranger)).json()["code"] == "no_subscription"
    ending = await with_plan(shop)
    async with shop.svc.client(ending) as client:
        await client.post("/v1/billing/subscription/cancel", json={"at_period_end": True})
    assert (await preview(shop, ending)).json()["code"] == "subscription_ending"
    assert (await change(shop, ending)).json()["code"] == "subscription_ending"
    overdue = await with_plan(shop, card="renewal_fails")
    await shop.advance(32)
    answer = await change(shop, overdue)
    assert (answer.status_code, answer.json()["code"]) == (409, "subscription_not_active")
    assert answer.json()["subscription_status"] == "past_due"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"plan_id": "gold", "interval": "month"}, 422, "unknown_plan"),
        ({"plan_id": "free", "interval": "month"}, 422, "unknown_plan"),
        ({"plan_id": "viral", "interval": "week"}, 422, None),
        ({"plan_id": "viral"}, 422, None),
        ([], 422, None),
        (None, 422, None),
        ({"plan_id": "viral", "interval": "month", "amount": 1}, 422, None),
        ({"plan_id": "creator", "interval": "month"}, 409, "already_on_plan"),
    ],
)
async def test_a_change_that_makes_no_sense_is_a_clear_problem(shop, body, status, code):
    user = await with_plan(shop)
    async with shop.svc.client(user) as client:
        for path in ("change", "change/preview"):
            answer = await client.post(f"/v1/billing/subscription/{path}", json=body)
            assert answer.status_code == status, answer.text
            assert code in {None, answer.json()["code"]}


async def test_cancelling_takes_a_scheduled_change_back_first(shop):
    user = await with_plan(shop, "viral")
    await change(shop, user, "creator")
    async with shop.svc.client(user) as client:
        row = (await client.post("/v1/billing/subscription/cancel", json={"at_period_end": True})).json()
        assert (row["subscription"]["next_plan_id"], row["subscription"]["cancel_at"] is not None) == (None, True)
        row = (await client.post("/v1/billing/subscription/resume")).json()["subscription"]
        assert (row["cancel_at"], row["plan_id"]) == (None, "viral")


async def test_resuming_what_was_never_cancelled_keeps_the_scheduled_change(shop):
    user = await with_plan(shop, "viral")
    await change(shop, user, "creator")
    async with shop.svc.client(user) as client:
        row = (await client.post("/v1/billing/subscription/resume")).json()["subscription"]
    assert row["next_plan_id"] == "creator"


async def test_an_upgrade_late_in_the_month_adds_only_the_rest_of_the_months_share_until_the_next_month(shop):
    user = await with_plan(shop)
    assert (await shop.entitlement(user))["limits"]["ai_generations"] == 100
    await shop.advance(27)
    await change(shop, user)
    limits = (await shop.entitlement(user))["limits"]
    assert 100 < limits["ai_generations"] < 100 + 300 * 5 // 28
    assert limits == (await told(shop, "entitlement.changed"))[-1]["limits"]
    await shop.advance(5)
    await renew_limits(shop.svc.runtime)
    await shop.svc.bus.drain()
    assert (await told(shop, "entitlement.changed"))[-1]["limits"]["ai_generations"] == 400


async def test_an_upgrade_right_after_the_purchase_gives_the_whole_limits(shop):
    user = await with_plan(shop)
    await change(shop, user)
    assert (await shop.entitlement(user))["limits"]["ai_generations"] == 400


async def test_nobody_changes_somebody_elses_plan(shop):
    await with_plan(shop)
    other = new_id()
    assert (await preview(shop, other)).json()["code"] == "no_subscription"


async def test_an_offer_that_holds_no_more_is_forgotten_and_the_change_is_priced_anew(shop):
    user = await with_plan(shop)
    offered = (await preview(shop, user)).json()
    await forget_offers(shop.svc.runtime)
    assert len(await shop.svc.rows("SELECT 1 FROM plan_changes")) == 1
    await shop.advance(10)
    await forget_offers(shop.svc.runtime)
    assert await shop.svc.rows("SELECT 1 FROM plan_changes") == []
    assert (await change(shop, user)).status_code == 200
    assert (await shop.payments(user))[0]["amount"] < offered["amount_due"]


async def test_while_stripe_is_away_a_preview_says_so(shop):
    user = await with_plan(shop)
    await shop.checkout(await shop.register(), "viral")
    await shop.control("faults", method="POST", path="/v1/invoices/create_preview", kind="500", times=3)
    answer = await preview(shop, user)
    assert (answer.status_code, answer.json()["code"]) == (503, "payment_provider_unavailable")


@pytest.mark.parametrize(
    ("invariant", "corruption"),
    [
        ("charged_otherwise_than_offered", "amount_due = amount_due + 1"),
        ("plan_change_stuck", "status = 'begun', updated_at = updated_at - interval '2 days'"),
    ],
)
async def test_a_change_that_got_stuck_or_cost_something_else_raises_exactly_its_alarm(shop, invariant, corruption):
    user = await with_plan(shop)
    await preview(shop, user)
    await change(shop, user)
    async with shop.svc.runtime.database.read() as session:
        assert await find_violations(session, now=shop.svc.clock.now()) == []
    await shop.svc.rows(f"UPDATE plan_changes SET {corruption} RETURNING 1")
    async with shop.svc.runtime.database.read() as session:
        found = await find_violations(session, now=shop.svc.clock.now())
    assert [violation.invariant for violation in found] == [invariant]


async def test_what_stripe_refuses_is_told_and_told_again_to_the_same_key(shop):
    user = await with_plan(shop)
    await shop.checkout(await shop.register(), "viral")
    [price] = await shop.svc.rows("SELECT stripe_price_id AS id FROM prices WHERE lookup_key LIKE 'atelier_viral_%%'")
    await shop.stripe("POST", f"prices/{price['id']}", active="false")
    assert (await preview(shop, user)).json()["code"] == "plan_change_refused"
    for _ in range(2):
        answer = await change(shop, user, key="up")
        assert (answer.status_code, answer.json()["code"]) == (409, "plan_change_refused")
        assert "inactive" in answer.json()["detail"]
    assert len(await shop.payments(user)) == 1


async def test_a_change_begun_before_stripe_came_to_refuse_it_ends_as_failed(shop):
    user = await with_plan(shop)
    await shop.control("faults", method="POST", path="/v1/subscriptions/*", kind="500", times=6)
    assert (await change(shop, user)).status_code == 503
    shop.svc.clock.advance(600)
    await finish_changes(shop.svc.runtime)
    assert await shop.svc.rows("SELECT status FROM plan_changes") == [{"status": "begun"}]
    customer = (await shop.payments(user))[0]["stripe_customer_id"]
    await shop.control(f"customers/{customer}/card", card="declined")
    await finish_changes(shop.svc.runtime)
    assert await shop.svc.rows("SELECT status FROM plan_changes") == [{"status": "failed"}]
    assert (await subscription(shop, user))["plan_id"] == "creator"


async def test_who_is_locked_out_or_took_the_money_back_changes_nothing(shop):
    user = await with_plan(shop)
    intent = (await shop.payments(user))[0]["stripe_payment_intent_id"]
    await shop.control(f"payments/{intent}/dispute")
    await shop.settle()
    answer = await change(shop, user)
    assert (answer.json()["code"], answer.json()["subscription_status"]) == ("subscription_not_active", "frozen")
    await shop.svc.receive(UserDisabled(user_id=user, reason="spam"))
    assert (await change(shop, user)).json()["code"] == "account_disabled"
