"""Affiliates are paid out what is available, each entry once, whoever asks and however often; what fails comes back."""

import asyncio
import csv
import io
from datetime import timedelta

import pytest

from shared.ids import new_id
from tests.support.community import open_village

RUN = "/v1/admin/community/payouts/run"
HOLD = timedelta(days=30).total_seconds()


async def earner(village, payments=5, email="friend@example.com"):
    """An affiliate to whom 1,170 for each payment is available, and the payments."""
    friend = await village.register()
    code = (await village.post("/v1/affiliates/apply", friend, {"payout_email": email}))["code"]
    paid = [await village.pay(await village.customer(code)) for _ in range(payments)]
    village.svc.clock.advance(HOLD)
    return friend, paid


async def balance(village, user_id):
    found = (await village.me(user_id))["balance"]
    return found["available"], found["paid"]


async def run(village):
    answer = await village.admin("POST", RUN)
    assert answer.status_code == 200, answer.text
    return answer.json()["payouts"]


async def decide(village, payout, how, body=None, status=200):
    answer = await village.admin("POST", f"/v1/admin/community/payouts/{payout['id']}/{how}", body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_run_gathers_what_is_available_and_a_second_one_nothing_more(village):
    friend, _ = await earner(village)
    [payout] = await run(village)
    assert (payout["amount"], payout["currency"], payout["status"], payout["entry_count"]) == (
        5850,
        "usd",
        "pending",
        5,
    )
    assert await balance(village, friend) == (0, 0)
    assert await run(village) == []
    [created] = await village.svc.published("payout.created")
    assert (created["data"]["amount"], created["data"]["entry_count"]) == (5850, 5)


async def test_what_is_pending_held_or_too_little_stays_where_it_is(village):
    friend, _ = await earner(village, payments=4)
    assert await run(village) == []
    answer = await village.call("POST", "/v1/affiliates/me/payouts", friend)
    assert (answer.status_code, answer.json()["code"]) == (409, "payout_too_small")
    code = (await village.me(friend))["code"]
    await village.pay(await village.customer(code))
    assert await run(village) == []
    village.svc.clock.advance(HOLD)
    disputed = await village.pay(await village.customer(code))
    village.svc.clock.advance(HOLD)
    await village.svc.receive(disputed.disputed(new_id()), sequence=2)
    [payout] = await run(village)
    assert payout["amount"] == 5850


async def test_paid_money_counts_as_paid_and_is_told_once(village):
    friend, _ = await earner(village)
    [payout] = await run(village)
    for _ in range(2):
        assert (await decide(village, payout, "mark-paid", {"reference": "TR-1"}))["reference"] == "TR-1"
    assert await balance(village, friend) == (0, 5850)
    assert len(await village.svc.published("payout.paid")) == 1
    [mail] = await village.svc.published("mail.requested")
    assert (mail["data"]["template"], mail["data"]["user_id"]) == ("payout_paid", str(friend))
    assert mail["data"]["params"]["amount"] == 5850
    [shown] = (await village.get("/v1/affiliates/me/payouts", friend))["items"]
    assert (shown["status"], shown["amount"]) == ("paid", 5850)


@pytest.mark.parametrize("paid_before", [False, True])
async def test_a_payout_that_failed_or_came_back_gives_its_entries_to_the_next(village, paid_before):
    friend, _ = await earner(village)
    [first] = await run(village)
    if paid_before:
        await decide(village, first, "mark-paid")
    for _ in range(2):
        assert (await decide(village, first, "fail", {"reason": "account closed"}))["failure"] == "account closed"
    assert await balance(village, friend) == (5850, 0)
    assert len(await village.svc.published("payout.failed")) == 1
    assert (await decide(village, first, "mark-paid", status=409))["code"] == "payout_decided"
    [second] = await run(village)
    assert (second["amount"], second["entry_count"]) == (5850, 5)


async def test_a_refund_after_the_payout_is_taken_from_the_next_one(village):
    friend, paid = await earner(village)
    [payout] = await run(village)
    await decide(village, payout, "mark-paid")
    await village.svc.receive(paid[0].refunded(0), sequence=2)
    assert await balance(village, friend) == (-1170, 5850)
    code = (await village.me(friend))["code"]
    for _ in range(6):
        await village.pay(await village.customer(code))
    village.svc.clock.advance(HOLD)
    [payout] = await run(village)
    assert (payout["amount"], payout["entry_count"]) == (5850, 7)


async def test_two_runs_and_a_request_at_once_pay_every_entry_once(village):
    friends = [(await earner(village))[0] for _ in range(4)]
    asking = [village.call("POST", "/v1/affiliates/me/payouts", friend) for friend in friends]
    await asyncio.gather(*asking, *(run(village) for _ in range(4)))
    await run(village)
    sums = await village.svc.rows(
        "SELECT p.amount, sum(e.delta)::bigint AS entries FROM payouts p JOIN payout_entries x ON x.payout_id = p.id"
        " JOIN commission_entries e ON e.id = x.entry_id GROUP BY p.id"
    )
    assert [(row["amount"], row["entries"]) for row in sums] == [(5850, 5850)] * 4


async def test_an_affiliate_asks_for_their_money_and_says_where_it_goes(village):
    friend, _ = await earner(village, email=None)
    assert await run(village) == []
    path = "/v1/affiliates/me/payouts"
    answer = await village.call("POST", path, friend)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_payout_address")
    headers = {"Idempotency-Key": str(new_id())}
    body = {"payout_email": "new@example.com"}
    first = await village.call("POST", path, friend, json=body, headers=headers)
    again = await village.call("POST", path, friend, json=body, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert (await village.me(friend))["payout_email"] == "new@example.com"


async def test_who_is_suspended_is_not_paid(village):
    friend, _ = await earner(village)
    affiliate = (await village.me(friend))["id"]
    await village.admin("POST", f"/v1/admin/community/affiliates/{affiliate}/suspend")
    assert await run(village) == []
    answer = await village.call("POST", "/v1/affiliates/me/payouts", friend)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_affiliate_state")


async def test_the_file_of_a_payout_adds_up_and_runs_no_formula():
    async with open_village() as village:
        await earner(village, email="=cmd@example.com")
        [payout] = await run(village)
        answer = await village.admin("GET", f"/v1/admin/community/payouts/{payout['id']}.csv")
        assert answer.headers["Content-Type"].startswith("text/csv")
        lines = list(csv.DictReader(io.StringIO(answer.text)))
        assert sum(int(line["amount"]) for line in lines) == payout["amount"]
        assert {line["payout_email"] for line in lines} == {"'=cmd@example.com"}


async def test_only_administrators_see_and_decide_payouts(village):
    friend, _ = await earner(village)
    [payout] = await run(village)
    one = f"/v1/admin/community/payouts/{payout['id']}"
    for method, path in (("GET", one + ".csv"), ("POST", one + "/mark-paid"), ("POST", one + "/fail"), ("POST", RUN)):
        assert (await village.call(method, path, friend, json={"reason": "x"})).status_code == 403
    assert (await village.admin("POST", f"/v1/admin/community/payouts/{new_id()}/mark-paid")).status_code == 404
    listed = (await village.admin("GET", "/v1/admin/community/payouts", params={"status": "pending"})).json()
    assert [row["id"] for row in listed["items"]] == [payout["id"]]
