"""Who brought a customer is decided once, by rules that can be read afterwards."""

import asyncio

import pytest

from shared.ids import new_id
from tests.support.community import begin_again, open_village, remember_beginning


@pytest.fixture(scope="module")
async def careful_village():
    async with open_village(affiliate_auto_approve=False, clicks_per_hour=3, affiliate_touch="first") as opened:
        await remember_beginning(opened)
        yield opened


@pytest.fixture
async def careful(careful_village):
    """A programme whose staff look at each application, where the first link wins, and clicks are few."""
    yield careful_village
    await begin_again(careful_village)


async def referrals(village, friend):
    rows = (await village.get("/v1/affiliates/me/referrals", friend))["items"]
    return [(row["status"], row["method"], row["rule"]) for row in rows]


async def decide(village, friend, verb):
    affiliate = (await village.me(friend))["id"]
    return await village.admin("POST", f"/v1/admin/community/affiliates/{affiliate}/{verb}")


async def test_an_applicant_earns_nothing_before_staff_have_decided(careful):
    friend, code = await careful.affiliate()
    assert (await careful.me(friend))["status"] == "pending"
    assert (await careful.call("GET", f"/r/{code}")).status_code == 404
    early = await careful.customer(code)
    assert (await decide(careful, friend, "approve")).json()["status"] == "approved"
    late = await careful.customer(code)
    await careful.pay(early)
    await careful.pay(late)
    assert await referrals(careful, friend) == [
        ("attributed", "code", "explicit_code"),
        ("rejected", "code", "affiliate_not_approved"),
    ]
    assert [row["amount"] for row in await careful.commissions(friend)] == [1170]


async def test_a_rejected_applicant_may_be_approved_later_and_an_affiliate_is_suspended_not_rejected(careful):
    friend, _ = await careful.affiliate()
    assert (await decide(careful, friend, "suspend")).json()["code"] == "wrong_affiliate_state"
    assert (await decide(careful, friend, "reject")).json()["status"] == "rejected"
    assert (await decide(careful, friend, "approve")).json()["status"] == "approved"
    refused = await decide(careful, friend, "reject")
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_affiliate_state")
    assert len(await careful.svc.published("affiliate.approved")) == 1


async def test_approving_at_the_same_time_is_approving_once(careful):
    friend, _ = await careful.affiliate()
    answers = await asyncio.gather(*(decide(careful, friend, "approve") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await careful.svc.published("affiliate.approved")) == 1


async def test_the_first_link_wins_until_its_window_is_over_and_a_forged_one_never(careful):
    codes = []
    for _ in range(2):
        friend, code = await careful.affiliate()
        await decide(careful, friend, "approve")
        codes.append(code)
    first, other = codes
    forged = {"Cookie": f"atelier_ref={first}.{new_id()}"}
    answer = await careful.call("GET", f"/r/{other}", headers=forged)
    assert answer.cookies["atelier_ref"].startswith(other)
    async with careful.svc.client(new_id()) as visitor:
        await visitor.get(f"/r/{first}")
        await visitor.get(f"/r/{other}")
        assert visitor.cookies["atelier_ref"].startswith(first)
        careful.svc.clock.advance(31 * 86_400)
        await visitor.get(f"/r/{other}")
        assert visitor.cookies["atelier_ref"].startswith(other)


async def test_one_visitor_s_clicks_are_limited(careful):
    friend, code = await careful.affiliate()
    await decide(careful, friend, "approve")
    visitor = new_id()
    answers = [await careful.call("GET", f"/r/{code}", visitor) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [302, 302, 302, 429]
    assert answers[-1].headers["Retry-After"].isdigit()
    assert (await careful.me(friend))["clicks"] == 3


async def test_one_s_own_code_brings_nobody(village):
    friend = new_id()
    code = (await village.post("/v1/affiliates/apply", friend, {}))["code"]
    await village.register(friend, referral_code=code)
    await village.pay(friend)
    assert await referrals(village, friend) == [("rejected", "code", "self_referral_user")]
    assert await village.commissions(friend) == []


async def test_a_suspended_affiliate_brings_nobody_and_keeps_whom_they_brought(village):
    friend, code = await village.affiliate()
    before = await village.customer(code)
    await decide(village, friend, "suspend")
    await village.customer(code)
    village.svc.clock.advance(60)
    await decide(village, friend, "approve")
    await village.pay(before)
    assert await referrals(village, friend) == [
        ("rejected", "code", "affiliate_not_approved"),
        ("attributed", "code", "explicit_code"),
    ]
    assert [row["amount"] for row in await village.commissions(friend)] == [1170]


@pytest.mark.parametrize("change", [str.lower, lambda code: f" {code[:4]}-{code[4:]} ", " ".join])
async def test_a_code_is_understood_as_people_write_it(village, change):
    friend, code = await village.affiliate()
    await village.customer(change(code))
    assert (await village.me(friend))["referrals"] == 1


@pytest.mark.parametrize("click", ["", "x", "00000000-0000-0000-0000-000000000000", "\u202e", "1" * 300])
async def test_a_click_that_never_was_leaves_the_code_to_decide(village, click):
    friend, code = await village.affiliate()
    await village.register(referral_code=code, click_id=click)
    assert await referrals(village, friend) == [("attributed", "code", "explicit_code")]


async def test_a_click_without_a_code_counts_for_whose_link_it_was(village):
    friend, code = await village.affiliate()
    followed = await village.call("GET", f"/r/{code}")
    _, click = followed.cookies["atelier_ref"].split(".")
    await village.register(click_id=click)
    assert await referrals(village, friend) == [("attributed", "link", "click_in_window")]


async def test_an_unknown_code_brings_nobody_and_loses_nobody(village):
    friend, _ = await village.affiliate()
    customer = await village.customer("NOSUCHCODE")
    await village.pay(customer)
    assert await referrals(village, friend) == []
    assert await village.svc.rows("SELECT 1 FROM payment_facts") != []


async def test_a_visitor_is_kept_as_a_hash_that_tells_nothing(village):
    _, code = await village.affiliate()
    await village.call("GET", f"/r/{code}", headers={"User-Agent": "Mozilla"})
    village.svc.clock.advance(86_400)
    await village.call("GET", f"/r/{code}", headers={"User-Agent": "Mozilla"})
    rows = await village.svc.rows("SELECT visitor FROM affiliate_clicks")
    assert len({bytes(row["visitor"]) for row in rows}) == 2
    assert all(len(row["visitor"]) == 16 for row in rows)
