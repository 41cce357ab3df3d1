"""Affiliates earn by what their customers pay: once, exactly, and in whatever order it becomes known."""

from datetime import timedelta

import pytest

from shared.ids import new_id
from shared.migrations import differences
from tests.support.community import Money


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
