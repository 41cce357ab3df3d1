"""Invoices and the timeline: why was I charged this?"""

from datetime import datetime, timedelta

import pytest

from services.billing.telling import SENTENCES
from services.billing.usecases import timeline as timeline_of_facts
from shared.ids import new_id
from tests.billing.test_grants import buy_pack


async def page(shop, user, what, **query):
    async with shop.svc.client(user) as client:
        answer = await client.get(f"/v1/billing/{what}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def invoices(shop, user):
    return (await page(shop, user, "invoices"))["items"]


async def timeline(shop, user):
    """Oldest first."""
    return (await page(shop, user, "timeline", limit=100))["items"][::-1]


async def pass_renewal(shop, user):
    """To an hour after the period's end: months differ, and a day too many is another attempt to collect."""
    async with shop.svc.client(user) as client:
        subscription = (await client.get("/v1/billing/subscription")).json()["subscription"]
    ahead = datetime.fromisoformat(subscription["period_end"]) - shop.svc.clock.now()
    await shop.advance(ahead / timedelta(days=1) + 1 / 24)


async def test_every_payment_has_an_invoice_with_its_pdf_and_its_lines(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    pack = await buy_pack(shop, user)
    found = {invoice["payment_id"]: invoice for invoice in await invoices(shop, user)}
    plan, extra = found[payment["id"]], found[pack["id"]]
    assert (plan["status"], plan["total"], plan["amount_paid"], plan["currency"]) == ("paid", 3900, 3900, "usd")
    assert (extra["status"], extra["total"], extra["billing_reason"]) == ("paid", 900, "manual")
    assert [line["description"] for line in extra["lines"]] == ["100 extra images"]
    assert plan["lines"][0]["amount"] == 3900
    assert plan["lines"][0]["period_start"] < plan["lines"][0]["period_end"]
    assert plan["number"] != extra["number"]
    for invoice in (plan, extra):
        assert (await shop.twin.get(invoice["pdf_url"])).status_code == 200
        assert (await shop.twin.get(invoice["hosted_url"])).status_code == 200


async def test_invoices_are_listed_while_stripe_is_down(shop):
    user = await shop.register()
    await shop.buy(user)
    await shop.control("faults", method="GET", path="/v1/invoices*", kind="500", times=50)
    [invoice] = await invoices(shop, user)
    assert invoice["status"] == "paid"


async def test_a_failed_renewal_s_invoice_is_open_until_it_is_paid(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], "renewal_fails")
    await shop.settle()
    await pass_renewal(shop, user)
    renewal, _ = await invoices(shop, user)
    assert (renewal["status"], renewal["amount_paid"], renewal["paid_at"]) == ("open", 0, None)
    customer = (await shop.payments(user))[0]["stripe_customer_id"]
    await shop.control(f"customers/{customer}/card", card="ok")
    await shop.advance(4)
    renewal, first = await invoices(shop, user)
    assert (renewal["status"], renewal["amount_paid"]) == ("paid", 3900)
    assert renewal["issued_at"] > first["issued_at"]


async def test_the_timeline_says_why_there_was_each_charge(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.advance(0.1)
    await shop.pay(checkout["session_id"], "renewal_fails")
    await shop.settle()
    await pass_renewal(shop, user)
    entries = await timeline(shop, user)
    kinds = [entry["kind"] for entry in entries]
    assert kinds[0] == "checkout.opened"
    assert set(kinds) == {
        "checkout.opened",
        "payment.paid",
        "subscription.activated",
        "payment.failed",
        "subscription.past_due",
    }
    said = {entry["kind"]: entry for entry in entries}
    assert said["payment.paid"]["summary"] == ("39.00 USD was paid for Viral Plan: the start of the subscription.")
    assert (said["payment.paid"]["amount"], said["payment.paid"]["currency"]) == (3900, "usd")
    assert [line["amount"] for line in said["payment.paid"]["lines"]] == [3900]
    assert said["payment.paid"]["pdf_url"]
    failed = said["payment.failed"]
    assert failed["summary"].startswith("Attempt 1 to collect 39.00 USD for Viral Plan failed")
    assert "The next attempt is on" in failed["summary"]
    assert (failed["amount"], failed["currency"]) == (3900, "usd")
    await shop.advance(4)
    attempts = [
        entry["details"]["attempt"] for entry in await timeline(shop, user) if entry["kind"] == "payment.failed"
    ]
    assert attempts == [1, 2]


async def test_money_that_goes_back_and_grants_are_in_the_timeline_with_their_payment(shop):
    user = await shop.register()
    pack = await buy_pack(shop, user)
    await shop.refund(pack["id"], amount=450)
    await shop.settle()
    await shop.control(f"payments/{pack['stripe_payment_intent_id']}/dispute")
    await shop.settle()
    await shop.control(f"payments/{pack['stripe_payment_intent_id']}/dispute_lose")
    await shop.settle()
    told = await timeline(shop, user)
    assert {entry["payment_id"] for entry in told} == {pack["id"]}
    summaries = [entry["summary"] for entry in told]
    for sentence in (
        "9.00 USD was paid for 100 extra images: bought once.",
        "4.50 USD of the payment for 100 extra images went back to you.",
        "50 images were taken back with the money for them.",
        "The dispute about 100 extra images ended: lost.",
    ):
        assert summaries.count(sentence) == 1 + (sentence.startswith("50 images")), sentence
    assert any(sentence.startswith("100 images were added, to be used until ") for sentence in summaries)


async def test_a_change_of_plan_shows_its_proration_lines(shop):
    user = await shop.register()
    first = await shop.buy(user, "creator")
    await shop.advance(10)
    price = (await shop.stripe("GET", "prices", **{"lookup_keys[0]": "atelier_viral_month_3900"}))["data"]
    assert price == []
    other = await shop.register()
    await shop.checkout(other, "viral")
    [price] = (await shop.stripe("GET", "prices", **{"lookup_keys[0]": "atelier_viral_month_3900"}))["data"]
    bought = await shop.stripe("GET", f"subscriptions/{first['stripe_subscription_id']}")
    await shop.stripe(
        "POST",
        f"subscriptions/{first['stripe_subscription_id']}",
        **{
            "items[0][id]": bought["items"]["data"][0]["id"],
            "items[0][price]": price["id"],
            "proration_behavior": "always_invoice",
        },
    )
    await shop.settle()
    told = {entry["kind"]: entry for entry in await timeline(shop, user)}
    assert told["subscription.plan_changed"]["summary"] == "The plan changed from Creator Plan to Viral Plan."
    [charge] = [
        entry
        for entry in await timeline(shop, user)
        if entry["kind"] == "payment.paid" and entry["details"]["kind"] == "subscription_update"
    ]
    assert [line["proration"] for line in charge["lines"]] == [True, True]
    assert min(line["amount"] for line in charge["lines"]) < 0
    assert sum(line["amount"] for line in charge["lines"]) == charge["amount"]


async def test_the_timeline_pages_without_gaps_and_repeats(shop):
    user = await shop.register()
    pack = await buy_pack(shop, user)
    for _ in range(3):
        await shop.refund(pack["id"], amount=100)
    await shop.settle()
    whole = await page(shop, user, "timeline", limit=100)
    seen, cursor = [], None
    while True:
        part = await page(shop, user, "timeline", limit=2, **({"cursor": cursor} if cursor else {}))
        assert len(part["items"]) <= 2
        seen += part["items"]
        cursor = part["next_cursor"]
        if cursor is None:
            break
    assert seen == whole["items"]
    assert len(seen) > 6


async def test_a_fact_told_again_is_in_the_timeline_once(shop):
    user = await shop.register()
    await shop.control("delivery", duplicate=3, shuffle=True)
    await shop.buy(user)
    await shop.control("delivery", duplicate=0, shuffle=False)
    once = [(entry["kind"], entry["payment_id"]) for entry in await timeline(shop, user)]
    assert len(once) == len(set(once)) == 3


@pytest.mark.parametrize("what", ["invoices", "timeline"])
async def test_nobody_sees_somebody_elses_history(shop, what):
    owner, stranger = await shop.register(), await shop.register()
    await shop.buy(owner)
    pages = await page(shop, owner, what, limit=1)
    assert pages["items"]
    assert (await page(shop, stranger, what))["items"] == []
    await buy_pack(shop, owner)
    cursor = (await page(shop, owner, what, limit=1))["next_cursor"]
    async with shop.svc.client(stranger) as client:
        stolen = await client.get(f"/v1/billing/{what}", params={"cursor": cursor})
        assert (stolen.status_code, stolen.json()["code"]) == (400, "bad_cursor")
        assert (await client.get(f"/v1/billing/{what}", params={"limit": 101})).status_code == 422
    async with shop.svc.client() as nobody:
        assert (await nobody.get(f"/v1/billing/{what}")).status_code == 401
    async with shop.svc.client(new_id(), scopes=["jobs:read"]) as key:
        assert (await key.get(f"/v1/billing/{what}")).status_code == 403


def test_every_fact_that_is_kept_has_its_sentence():
    kept = {fact.event_type for fact in timeline_of_facts.AMOUNT_OF}
    own = {f"checkout.{status}" for status in ("opened", "expired", "failed")}
    grants = {f"grant.{what}" for what in ("given", "taken_back", "given_back", "expired")}
    assert set(SENTENCES) == kept | own | grants
