"""Affiliates earn by what their customers pay: once, exactly, and in whatever order it becomes known."""

import random
from datetime import timedelta

import psycopg
import pytest

from services.community.affiliates.usecases.balances import rebuild_balances
from services.community.tasks import approve_commissions
from shared.ids import new_id
from shared.migrations import differences
from shared.periods import months_after
from tests.support.community import Money, open_village


async def test_the_migrations_make_what_the_models_say(village):
    assert differences(village.svc.service, village.svc.runtime.settings.database_url) == []


async def test_a_month_of_viral_accrues_1170_and_waits_thirty_days(village):
    friend, code = await village.affiliate()
    customer = await village.customer(code)
    await village.pay(customer)
    assert (await village.me(friend))["balance"] == {"currency": "usd", "pending": 1170, "available": 0, "paid": 0}
    [commission] = await village.commissions(friend)
    assert (commission["amount"], commission["status"]) == (1170, "PENDING")
    assert [entry["delta"] for entry in commission["entries"]] == [1170]
    village.svc.clock.advance(timedelta(days=30).total_seconds())
    assert (await village.me(friend))["balance"]["available"] == 1170


async def test_a_payment_heard_of_twice_earns_once(village):
    friend, code = await village.affiliate()
    money = Money(await village.customer(code), village.svc.clock.now())
    event_id = await village.svc.receive(money.paid())
    await village.svc.receive(money.paid(), event_id=event_id)
    await village.svc.receive(money.paid())
    assert (await village.me(friend))["balance"]["pending"] == 1170


async def test_an_affiliate_is_nobody_until_they_apply(village):
    answer = await village.call("GET", "/v1/affiliates/me", new_id())
    assert answer.status_code == 404
    assert answer.json()["code"] == "affiliate_not_found"


@pytest.mark.parametrize("path", ["me", "me/referrals", "me/commissions", "me/payouts"])
async def test_strangers_see_nothing_of_an_affiliate(village, path):
    await village.affiliate()
    assert (await village.call("GET", f"/v1/affiliates/{path}", new_id())).status_code == 404
    assert (await village.call("GET", f"/v1/affiliates/{path}")).status_code == 401


def history(money):
    """Everything that happened to a payment, with the sequence billing gave it; it ends with 900 left of the net."""
    won = new_id()
    return [
        (money.paid(), 1),
        (money.refunded(1950), 2),
        (money.refunded(3900, reverted=True), 3),
        (money.disputed(won), 4),
        (money.disputed(won, "won"), 5),
        (money.refunded(900), 6),
    ]


@pytest.mark.parametrize("seed", range(12))
async def test_every_order_of_arrival_ends_with_the_same_ledger(village, seed):
    friend, code = await village.affiliate()
    user_id = new_id()
    money = Money(user_id, village.svc.clock.now())
    events = [(village.registration(user_id, referral_code=code), 1), *history(money)]
    random.Random(seed).shuffle(events)
    for event, sequence in events:
        await village.svc.receive(event, sequence=sequence)
    [commission] = await village.commissions(friend)
    assert commission["amount"] == 270
    assert commission["status"] == "PENDING"
    assert sum(entry["delta"] for entry in commission["entries"]) == 270
    assert (await village.me(friend))["balance"]["pending"] == 270
    async with village.svc.runtime.database.write() as session:
        assert await rebuild_balances(session) == []


@pytest.mark.parametrize("name", ["paid first", "refund first", "registration last"])
async def test_a_full_refund_takes_all_back(village, name):
    friend, code = await village.affiliate()
    user_id = new_id()
    money = Money(user_id, village.svc.clock.now())
    registered = (village.registration(user_id, referral_code=code), 1)
    paid, back = (money.paid(), 1), (money.refunded(0), 2)
    order = {
        "paid first": [registered, paid, back],
        "refund first": [registered, back, paid],
        "registration last": [paid, back, registered],
    }[name]
    for event, sequence in order:
        await village.svc.receive(event, sequence=sequence)
    assert (await village.me(friend))["balance"] == {"currency": "usd", "pending": 0, "available": 0, "paid": 0}
    assert all(row["status"] == "REVERSED" for row in await village.commissions(friend))


async def test_a_dispute_holds_and_a_lost_one_takes_back(village):
    friend, code = await village.affiliate()
    money = await village.pay(await village.customer(code))
    dispute = new_id()
    await village.svc.receive(money.disputed(dispute), sequence=2)
    village.svc.clock.advance(timedelta(days=40).total_seconds())
    await approve_commissions(village.svc.runtime)
    assert await village.svc.published("commission.approved") == []
    assert [row["status"] for row in await village.commissions(friend)] == ["HELD"]
    assert (await village.me(friend))["balance"]["available"] == 0
    await village.svc.receive(money.disputed(dispute, "lost"), sequence=3)
    assert (await village.me(friend))["balance"] == {"currency": "usd", "pending": 0, "available": 0, "paid": 0}


async def test_a_commission_is_approved_once_its_time_has_come(village):
    _, code = await village.affiliate()
    await village.pay(await village.customer(code))
    village.svc.clock.advance(timedelta(days=30).total_seconds() - 1)
    await approve_commissions(village.svc.runtime)
    assert await village.svc.published("commission.approved") == []
    village.svc.clock.advance(1)
    await approve_commissions(village.svc.runtime)
    await approve_commissions(village.svc.runtime)
    assert len(await village.svc.published("commission.approved")) == 1


async def test_a_refund_after_payout_becomes_a_debt(village):
    friend, code = await village.affiliate()
    money = await village.pay(await village.customer(code))
    village.svc.clock.advance(timedelta(days=31).total_seconds())
    assert await village.pay_out(friend) == 1170
    assert [row["status"] for row in await village.commissions(friend)] == ["PAID"]
    await village.svc.receive(money.refunded(0), sequence=2)
    assert (await village.me(friend))["balance"] == {"currency": "usd", "pending": 0, "available": -1170, "paid": 1170}
    assert [row["amount"] for row in (await village.get("/v1/affiliates/me/payouts", friend))["items"]] == [1170]


async def test_a_new_rate_counts_for_later_payments_only(village):
    friend, code = await village.affiliate()
    customer = await village.customer(code)
    first = await village.pay(customer)
    village.svc.clock.advance(3600)
    affiliate = (await village.me(friend))["id"]
    path = f"/v1/admin/community/affiliates/{affiliate}/rate"
    assert (await village.admin("POST", path, {"commission_rate_bp": 1000})).status_code == 200
    late = Money(customer, first.paid_at, 1000)
    await village.svc.receive(late.paid())
    village.svc.clock.advance(3600)
    await village.pay(customer, 1000)
    await village.svc.receive(first.refunded(1000), sequence=2)
    assert sorted(row["amount"] for row in await village.commissions(friend)) == [100, 300, 300]


async def test_a_suspended_affiliate_earns_nothing_new_and_keeps_the_old(village):
    friend, code = await village.affiliate()
    customer = await village.customer(code)
    await village.pay(customer)
    village.svc.clock.advance(60)
    affiliate = (await village.me(friend))["id"]
    assert (await village.admin("POST", f"/v1/admin/community/affiliates/{affiliate}/suspend")).status_code == 200
    await village.pay(customer)
    assert [row["amount"] for row in await village.commissions(friend)] == [1170]
    assert len(await village.svc.published("affiliate.suspended")) == 1
    assert (await village.call("GET", f"/r/{code}")).status_code == 404
    village.svc.clock.advance(60)
    assert (await village.admin("POST", f"/v1/admin/community/affiliates/{affiliate}/approve")).status_code == 200
    await village.pay(customer)
    assert len(await village.commissions(friend)) == 2


async def test_only_the_first_twelve_months_earn(village):
    friend, code = await village.affiliate()
    customer = await village.customer(code)
    start = village.svc.clock.now()
    for paid_at in (months_after(start, 12) - timedelta(seconds=1), months_after(start, 12)):
        await village.svc.receive(Money(customer, paid_at).paid())
    assert len(await village.commissions(friend)) == 1


async def followed(village, code):
    """The cookie that a visitor of the link gets, as accounts would read it."""
    answer = await village.call("GET", f"/r/{code}")
    assert answer.status_code == 302
    return answer.cookies["atelier_ref"].split(".")


@pytest.mark.parametrize(("late", "status"), [(0, "attributed"), (1, "rejected")])
async def test_a_click_counts_to_the_last_second_of_its_window(village, late, status):
    friend, code = await village.affiliate()
    seen_code, click = await followed(village, code.lower())
    village.svc.clock.advance(timedelta(days=30).total_seconds() + late)
    await village.register(referral_code=seen_code, click_id=click)
    [referral] = (await village.get("/v1/affiliates/me/referrals", friend))["items"]
    assert (referral["status"], referral["method"]) == (status, "link")
    assert (await village.me(friend))["clicks"] == 1
    assert len(await village.svc.published(f"referral.{status}")) == 1


async def test_a_code_beats_a_click_on_another_link(village):
    one, code = await village.affiliate()
    other, other_code = await village.affiliate()
    _, click = await followed(village, other_code)
    await village.register(referral_code=code, click_id=click)
    assert (await village.me(one))["referrals"] == 1
    assert (await village.me(other))["referrals"] == 0


@pytest.mark.parametrize("touch", ["first", "last"])
async def test_first_or_last_touch_decides_which_link_is_remembered(touch):
    async with open_village(affiliate_touch=touch) as village:
        _, first = await village.affiliate()
        _, last = await village.affiliate()
        async with village.svc.client() as visitor:
            await visitor.get(f"/r/{first}")
            await visitor.get(f"/r/{last}")
            assert visitor.cookies["atelier_ref"].startswith(first if touch == "first" else last)


async def test_nobody_refers_themselves(village):
    friend, code = await village.affiliate(email_fingerprint="same")
    await village.pay(await village.customer(code, email_fingerprint="same"))
    [referral] = (await village.get("/v1/affiliates/me/referrals", friend))["items"]
    assert (referral["status"], referral["rule"]) == ("rejected", "self_referral_email")
    assert await village.commissions(friend) == []


async def test_a_self_referral_shows_even_when_the_affiliate_s_own_registration_comes_last(village):
    user_id = new_id()
    code = (await village.post("/v1/affiliates/apply", user_id, {}))["code"]
    await village.pay(await village.customer(code, email_fingerprint="same"))
    assert (await village.me(user_id))["balance"]["pending"] == 1170
    await village.register(user_id, email_fingerprint="same")
    assert (await village.me(user_id))["balance"]["pending"] == 0


async def test_a_known_customer_is_nobody_s_to_claim(village):
    friend, code = await village.affiliate()
    customer = await village.register()
    await village.svc.receive(village.registration(customer, referral_code=code), sequence=2)
    await village.pay(customer)
    assert await village.commissions(friend) == []


async def test_a_ledger_entry_is_never_changed(village):
    _, code = await village.affiliate()
    await village.pay(await village.customer(code))
    for change in ("UPDATE commission_entries SET delta = 1", "DELETE FROM commission_entries"):
        with pytest.raises(psycopg.errors.RaiseException, match="never changed"):
            await village.svc.rows(change)


async def test_rebuilding_finds_and_repairs_a_stored_sum_that_lies(village):
    _, code = await village.affiliate()
    await village.pay(await village.customer(code))
    await village.svc.rows("UPDATE affiliate_balances SET amount = 5 RETURNING amount")
    async with village.svc.runtime.database.write() as session:
        [difference] = await rebuild_balances(session)
    assert (difference.stored, difference.ledger) == (5, 1170)
    async with village.svc.runtime.database.write() as session:
        assert await rebuild_balances(session) == []


async def test_only_staff_decide_about_affiliates(village):
    friend, _ = await village.affiliate()
    affiliate = (await village.me(friend))["id"]
    for verb in ("approve", "reject", "suspend"):
        path = f"/v1/admin/community/affiliates/{affiliate}/{verb}"
        assert (await village.call("POST", path, friend)).status_code == 403
    assert (await village.admin("POST", f"/v1/admin/community/affiliates/{new_id()}/approve")).status_code == 404
    assert (await village.admin("GET", "/v1/admin/community/affiliates")).json()["items"][0]["id"] == affiliate


async def test_applying_twice_is_a_conflict(village):
    friend, _ = await village.affiliate()
    again = await village.call("POST", "/v1/affiliates/apply", friend, json={})
    assert (again.status_code, again.json()["code"]) == (409, "already_an_affiliate")


@pytest.mark.parametrize("code", ["UNKNOWN", "%00", "a" * 500, "%F0%9F%90%88", "' OR 1=1"])
async def test_a_link_of_nobody_leads_nowhere(village, code):
    answer = await village.call("GET", f"/r/{code}", headers={"Cookie": "atelier_ref=x.y"})
    assert answer.status_code == 404
