"""Pausing and going on, and what customers change on Stripe's own pages."""

import pytest

from services.billing.tasks_subscription import end_paid_time
from services.billing.usecases.invariants import find_violations
from shared.ids import new_id


async def act(shop, user, action, **body):
    async with shop.svc.client(user) as client:
        return await client.post(f"/v1/billing/subscription/{action}", json=body or None)


async def subscription(shop, user):
    async with shop.svc.client(user) as client:
        return (await client.get("/v1/billing/subscription")).json()["subscription"]


async def times_told(shop, kind):
    return len(await shop.svc.published(kind))


async def violations(shop):
    async with shop.svc.runtime.database.read() as session:
        return await find_violations(session, now=shop.svc.clock.now())


async def test_a_pause_uses_up_what_is_paid_then_turns_the_plan_off_and_charges_nothing(shop):
    user = await shop.register()
    await shop.buy(user)
    row = (await act(shop, user, "pause")).json()["subscription"]
    assert (row["status"], row["paused_from"]) == ("active", row["period_end"])
    assert (await act(shop, user, "pause")).status_code == 200
    await shop.advance(20)
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    await shop.advance(50)
    assert (await subscription(shop, user))["status"] == "paused"
    assert (await shop.entitlement(user))["plan_id"] == "free"
    assert len(await shop.payments(user)) == 1
    assert await times_told(shop, "subscription.paused") == 1
    assert await violations(shop) == []


async def test_going_on_within_the_paid_time_costs_nothing(shop):
    user = await shop.register()
    await shop.buy(user)
    for _ in range(2):
        await act(shop, user, "pause")
        await shop.settle()
        row = (await act(shop, user, "resume")).json()["subscription"]
        await shop.settle()
        assert (row["status"], row["paused_from"]) == ("active", None)
    assert len(await shop.payments(user)) == 1
    await shop.advance(32)
    assert [payment["status"] for payment in await shop.payments(user)] == ["PAID", "PAID"]


async def test_going_on_later_begins_a_new_period_that_is_paid_at_once(shop):
    user = await shop.register()
    await shop.buy(user)
    await act(shop, user, "pause")
    await shop.advance(40)
    before = shop.svc.clock.now()
    row = (await act(shop, user, "resume")).json()["subscription"]
    assert (row["status"], row["period_start"][:16]) == ("active", before.isoformat()[:16])
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    await shop.settle()
    newest, _ = await shop.payments(user)
    assert (newest["status"], newest["amount"]) == ("PAID", 3900)
    assert await times_told(shop, "subscription.resumed") == 1
    await shop.advance(32)
    assert len(await shop.payments(user)) == 3


async def test_going_on_with_a_card_that_is_declined_leaves_the_pause_as_it_is(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await act(shop, user, "pause")
    await shop.advance(40)
    await shop.control(f"customers/{payment['stripe_customer_id']}/card", card="declined")
    answer = await act(shop, user, "resume")
    assert (answer.status_code, answer.json()["code"]) == (402, "payment_declined")
    assert (await shop.entitlement(user))["plan_id"] == "free"
    assert (await subscription(shop, user))["status"] == "paused"


async def test_a_plan_goes_off_at_the_end_of_its_paid_time_even_if_stripe_is_silent(shop):
    user = await shop.register()
    await shop.buy(user)
    await act(shop, user, "pause")
    await shop.settle()
    await shop.control("delivery", drop=True)
    await shop.control("clock/advance", seconds=32 * 86400)
    assert (await shop.entitlement(user))["plan_id"] == "free"
    await end_paid_time(shop.svc.runtime)
    await shop.svc.bus.drain()
    assert (await shop.svc.published("entitlement.changed"))[-1]["data"]["plan_id"] == "free"
    assert await times_told(shop, "subscription.paused") == 1


async def test_what_is_overdue_ending_or_missing_is_not_paused(shop):
    stranger = await shop.register()
    assert (await act(shop, stranger, "pause")).json()["code"] == "no_subscription"
    user = await shop.register()
    await shop.buy(user)
    await act(shop, user, "cancel", at_period_end=True)
    assert (await act(shop, user, "pause")).json()["code"] == "subscription_ending"
    await act(shop, user, "resume")
    payment = (await shop.payments(user))[0]
    await shop.control(f"customers/{payment['stripe_customer_id']}/card", card="declined")
    await shop.advance(32)
    assert (await act(shop, user, "pause")).json()["code"] == "subscription_not_active"


async def portal(shop, user, **body):
    async with shop.svc.client(user) as client:
        return await client.post("/v1/billing/portal", json=body)


async def do_in_portal(shop, user, **fields):
    url = (await portal(shop, user)).json()["url"]
    page = await shop.twin.post(url, data=fields)
    assert page.status_code == 200, page.text
    await shop.settle()


async def test_the_portal_is_the_users_own_and_leads_back_to_this_site(shop):
    user = await shop.register()
    await shop.buy(user)
    site = shop.svc.runtime.settings.public_url
    url = (await portal(shop, user, return_url=f"{site}/account")).json()["url"]
    page = (await shop.twin.get(url)).text
    assert "Viral Plan" in page
    assert f"{site}/account" in page
    newcomer = await shop.register()
    assert "no running subscription" in (await shop.twin.get((await portal(shop, newcomer)).json()["url"])).text
    bound = await shop.svc.rows("SELECT stripe_customer_id FROM billing_customers")
    assert len({row["stripe_customer_id"] for row in bound} - {None}) == 2


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        "http://[",
        "\\\\evil.example",
        "SITE@evil.example/",
        "SITE.evil.example/",
        "SITE\\@evil.example/",
        "SITE/\n",
    ],
)
async def test_a_return_url_of_another_site_is_refused(shop, url):
    user = await shop.register()
    url = url.replace("SITE", shop.svc.runtime.settings.public_url)
    answer = await portal(shop, user, return_url=url)
    assert (answer.status_code, answer.json()["code"]) == (422, "foreign_return_url")
    async with shop.svc.client(user) as client:
        body = {"plan_id": "viral", "interval": "month", "success_url": url}
        answer = await client.post("/v1/billing/checkout", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "foreign_return_url")


async def test_what_is_cancelled_and_kept_in_the_portal_arrives_by_webhooks(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    stripe_id = payment["stripe_subscription_id"]
    await do_in_portal(shop, user, subscription=stripe_id, action="cancel")
    assert (await subscription(shop, user))["cancel_at"] is not None
    await do_in_portal(shop, user, subscription=stripe_id, action="resume")
    assert (await subscription(shop, user))["cancel_at"] is None
    await do_in_portal(shop, user, subscription=stripe_id, action="cancel_now")
    assert (await shop.entitlement(user))["plan_id"] == "free"
    assert await times_told(shop, "subscription.ended") == 1


async def price_of(shop, plan_id):
    other = await shop.register()
    await shop.checkout(other, plan_id)
    [row] = await shop.svc.rows(f"SELECT stripe_price_id FROM prices WHERE lookup_key LIKE 'atelier_{plan_id}_month%%'")
    return row["stripe_price_id"]


async def test_a_plan_changed_in_the_portal_arrives_by_webhooks_dearer_at_once_and_cheaper_at_the_end(shop):
    user = await shop.register()
    stripe_id = (await shop.buy(user))["stripe_subscription_id"]
    await do_in_portal(shop, user, subscription=stripe_id, price=await price_of(shop, "studio"))
    assert (await shop.entitlement(user))["plan_id"] == "studio"
    newest = (await shop.payments(user))[0]
    assert (newest["kind"], newest["plan_id"], newest["status"]) == ("subscription_update", "studio", "PAID")
    await do_in_portal(shop, user, subscription=stripe_id, price=await price_of(shop, "creator"))
    assert (await subscription(shop, user))["next_plan_id"] == "creator"
    await shop.advance(32)
    assert (await shop.entitlement(user))["plan_id"] == "creator"
    assert await times_told(shop, "subscription.plan_changed") == 2


async def test_nobody_opens_a_portal_without_being_signed_in(shop):
    async with shop.svc.client(None) as client:
        assert (await client.post("/v1/billing/portal", json={})).status_code == 401
    assert (await act(shop, new_id(), "resume")).json()["code"] == "no_subscription"
