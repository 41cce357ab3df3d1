"""Trials: one for each person, announced, and then paid or over."""

import asyncio

import pytest

from services.billing.tasks_subscription import announce_trial_ends
from shared.contracts.accounts import UserRegistered
from shared.ids import new_id
from tests.support.billing import open_shop


@pytest.fixture(scope="module")
async def trying():
    async with open_shop(trial_days=14) as opened:
        yield opened


@pytest.fixture(scope="module")
async def trying_without_card():
    async with open_shop(trial_days=14, trial_requires_card=False) as opened:
        yield opened


@pytest.fixture
async def shop(trying):
    await trying.empty()
    return trying


@pytest.fixture
async def cardless(trying_without_card):
    await trying_without_card.empty()
    return trying_without_card


async def register(shop, person):
    """Another account of the same person: the address differs only in its alias, so its fingerprint is the same."""
    user_id = new_id()
    await shop.svc.receive(
        UserRegistered(
            user_id=user_id,
            handle=f"u{user_id.hex[-8:]}",
            display_name="Customer",
            locale="en",
            email_fingerprint=person,
            registered_at=shop.svc.clock.now(),
        )
    )
    return user_id


async def try_plan(shop, user, card="ok"):
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], card)
    await shop.settle()


async def subscription(shop, user):
    async with shop.svc.client(user) as client:
        return (await client.get("/v1/billing/subscription")).json()["subscription"]


async def mails(shop, user):
    return [
        event["data"]["template"]
        for event in await shop.svc.published("mail.requested")
        if event["data"]["user_id"] == str(user)
    ]


async def told(shop, kind):
    return [event["data"] for event in await shop.svc.published(kind)]


async def test_a_trial_opens_the_plan_costs_nothing_and_is_paid_when_it_is_over(shop):
    user = await shop.register()
    await try_plan(shop, user)
    row = await subscription(shop, user)
    assert (row["status"], row["trial_end"]) == ("trialing", row["period_end"])
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    [payment] = await shop.payments(user)
    assert (payment["status"], payment["amount"]) == ("PAID", 0)
    assert "payment_receipt" not in await mails(shop, user)
    await shop.advance(15)
    assert (await subscription(shop, user))["status"] == "active"
    newest = (await shop.payments(user))[0]
    assert (newest["status"], newest["amount"], newest["kind"]) == ("PAID", 3900, "subscription_cycle")
    assert [fact["is_first_payment"] for fact in await told(shop, "payment.paid")] == [False, True]
    assert (await mails(shop, user)).count("payment_receipt") == 1


async def test_a_persons_second_account_gets_no_second_trial(shop):
    first, second, other = await register(shop, "ada"), await register(shop, "ada"), await register(shop, "bob")
    await try_plan(shop, first)
    async with shop.svc.client(first) as client:
        await client.post("/v1/billing/subscription/cancel", json={"at_period_end": False})
    await shop.settle()
    for user in (first, second):
        await try_plan(shop, user)
        assert (await shop.payments(user))[0]["amount"] == 3900
        assert (await subscription(shop, user))["trial_end"] is None
    await try_plan(shop, other)
    assert (await subscription(shop, other))["status"] == "trialing"


async def test_two_accounts_of_one_person_that_check_out_at_once_are_promised_one_trial(shop):
    users = [await register(shop, "ada") for _ in range(4)]
    await asyncio.gather(*(shop.checkout(user) for user in users))
    rows = await shop.svc.rows("SELECT trial_days FROM checkouts ORDER BY trial_days")
    assert [row["trial_days"] for row in rows] == [0, 0, 0, 14]


async def test_a_checkout_that_came_to_nothing_uses_up_no_trial(shop):
    user = await shop.register()
    await shop.checkout(user, "creator")
    await shop.checkout(user, "viral")
    await shop.advance(2)
    assert await shop.svc.rows("SELECT 1 FROM trials") == []
    await try_plan(shop, user)
    assert (await subscription(shop, user))["status"] == "trialing"


async def test_the_end_of_a_trial_is_told_once_three_days_before_with_one_truthful_mail(shop):
    user = await shop.register()
    await try_plan(shop, user)
    await shop.advance(10)
    assert await told(shop, "subscription.trial_ending") == []
    await shop.advance(1.5)
    [event] = [each for each in (await shop.stripe("GET", "events", limit=50))["data"] if "will_end" in each["type"]]
    await shop.control(f"events/{event['id']}/resend")
    await shop.settle()
    await announce_trial_ends(shop.svc.runtime)
    [fact] = await told(shop, "subscription.trial_ending")
    assert fact["status"] == "trialing"
    assert (await mails(shop, user)).count("trial_ending") == 1
    [mail] = [each for each in await told(shop, "mail.requested") if each["template"] == "trial_ending"]
    assert (mail["params"]["amount"], mail["params"]["plan_name"]) == (3900, "Viral Plan")


async def test_the_end_of_a_trial_is_told_even_if_stripes_webhook_is_lost(shop):
    user = await shop.register()
    await try_plan(shop, user)
    await shop.control("delivery", drop=True)
    await shop.control("clock/advance", seconds=12 * 86400)
    await announce_trial_ends(shop.svc.runtime)
    await announce_trial_ends(shop.svc.runtime)
    assert len(await told(shop, "subscription.trial_ending")) == 1


async def test_who_cancelled_during_the_trial_is_not_told_that_it_goes_on(shop):
    user = await shop.register()
    await try_plan(shop, user)
    async with shop.svc.client(user) as client:
        await client.post("/v1/billing/subscription/cancel", json={"at_period_end": True})
    await shop.advance(12)
    assert len(await told(shop, "subscription.trial_ending")) == 1
    assert "trial_ending" not in await mails(shop, user)
    await shop.advance(3)
    assert (await shop.entitlement(user))["plan_id"] == "free"
    assert len(await shop.payments(user)) == 1


async def test_in_a_trial_every_change_of_plan_happens_at_once_and_costs_nothing(shop):
    user = await shop.register()
    await try_plan(shop, user)
    ends = (await subscription(shop, user))["trial_end"]
    async with shop.svc.client(user) as client:
        for plan_id, interval in (("studio", "month"), ("creator", "year")):
            body = {"plan_id": plan_id, "interval": interval}
            offered = (await client.post("/v1/billing/subscription/change/preview", json=body)).json()
            assert (offered["effective"], offered["amount_due"]) == ("now", 0)
            row = (await client.post("/v1/billing/subscription/change", json=body)).json()["subscription"]
            assert (row["plan_id"], row["status"], row["trial_end"]) == (plan_id, "trialing", ends)
            assert (await shop.entitlement(user))["plan_id"] == plan_id
    await shop.advance(15)
    assert [payment["amount"] for payment in await shop.payments(user)] == [19000, 0]


async def test_a_card_declined_at_the_trials_end_is_dunned_like_any_other(shop):
    user = await shop.register()
    await try_plan(shop, user, "renewal_fails")
    await shop.advance(15)
    assert (await subscription(shop, user))["status"] == "past_due"
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    await shop.advance(8)
    assert (await shop.entitlement(user))["plan_id"] == "free"


async def test_a_trial_without_a_card_ends_with_the_free_plan_and_no_debt(cardless):
    user = await cardless.register()
    await try_plan(cardless, user, "none")
    assert (await cardless.entitlement(user))["plan_id"] == "viral"
    await cardless.advance(12)
    assert (await mails(cardless, user)).count("trial_ending_without_card") == 1
    assert "trial_ending" not in await mails(cardless, user)
    await cardless.advance(3)
    assert (await cardless.entitlement(user))["plan_id"] == "free"
    assert await subscription(cardless, user) is None
    assert [payment["amount"] for payment in await cardless.payments(user)] == [0]
    assert "payment_failed" not in await mails(cardless, user)


async def test_a_card_added_in_the_portal_before_the_trial_ends_keeps_the_plan(cardless):
    user = await cardless.register()
    await try_plan(cardless, user, "none")
    async with cardless.svc.client(user) as client:
        url = (await client.post("/v1/billing/portal", json={})).json()["url"]
    await cardless.twin.post(url, data={"card": "ok"})
    await cardless.advance(12)
    assert "trial_ending" in await mails(cardless, user)
    await cardless.advance(3)
    assert (await subscription(cardless, user))["status"] == "active"
    assert (await cardless.payments(user))[0]["amount"] == 3900


async def test_who_paid_before_there_were_trials_and_who_is_not_known_yet_gets_none(shop):
    user, stranger = await shop.register(), new_id()
    await try_plan(shop, user)
    await shop.advance(15)
    async with shop.svc.client(user) as client:
        await client.post("/v1/billing/subscription/cancel", json={"at_period_end": False})
    await shop.settle()
    await shop.svc.rows("DELETE FROM trials RETURNING 1")
    for someone in (user, stranger):
        await shop.checkout(someone)
    rows = await shop.svc.rows("SELECT trial_days FROM checkouts ORDER BY created_at DESC LIMIT 2")
    assert [row["trial_days"] for row in rows] == [0, 0]


async def test_a_trial_paid_on_a_page_that_was_replaced_is_the_persons_one_trial(shop):
    user, again = await register(shop, "ada"), await register(shop, "ada")
    await shop.control("faults", method="POST", path="/v1/checkout/sessions/*/expire", kind="500", times=3)
    first = await shop.checkout(user, "creator")
    async with shop.svc.client(user) as client:
        await client.post("/v1/billing/checkout", json={"plan_id": "viral", "interval": "month"})
    await shop.pay(first["session_id"])
    await shop.settle()
    assert (await subscription(shop, user))["status"] == "trialing"
    assert (await shop.svc.rows("SELECT started_at IS NOT NULL AS had FROM trials")) == [{"had": True}]
    await shop.checkout(again)
    [mine] = await shop.svc.rows("SELECT trial_days FROM checkouts WHERE user_id = %(user)s", user=again)
    assert mine == {"trial_days": 0}


async def test_while_stripe_is_away_the_end_of_a_trial_is_told_later(shop):
    user = await shop.register()
    await try_plan(shop, user)
    await shop.control("delivery", drop=True)
    await shop.control("clock/advance", seconds=12 * 86400)
    await shop.control("faults", method="GET", path="/v1/subscriptions/*", kind="500", times=3)
    await announce_trial_ends(shop.svc.runtime)
    assert await told(shop, "subscription.trial_ending") == []
    await announce_trial_ends(shop.svc.runtime)
    assert len(await told(shop, "subscription.trial_ending")) == 1
