"""What a user was granted is spent once: after the plan, what expires first first, whatever the number of periods."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.jobs import operator
from shared.contracts.billing import EntitlementGrant
from shared.ids import new_id
from tests.support.jobs import claimed, grant_plan, order, ordered, settle

MONTH = 31 * 86400


def grant(svc, amount, *, metric="images", days=None, grant_id=None):
    ends = svc.clock.now() + timedelta(days=days) if days else None
    return EntitlementGrant(grant_id=grant_id or new_id(), metric=metric, amount=amount, expires_at=ends)


async def usage(client, metric="images"):
    row = (await client.get("/v1/jobs/usage")).json()[metric]
    return row["used"] + row["reserved"], row["limit"]


async def draws(svc):
    rows = await svc.rows("SELECT grant_id, drawn FROM grant_draws WHERE drawn > 0")
    return {row["grant_id"]: row["drawn"] for row in rows}


async def spend(svc, client, count, **units):
    """So many jobs of one image each, done."""
    for _ in range(count):
        await ordered(client)
        await settle(svc, await claimed(svc), units={"ai_generations": 1, "images": 1, **units})


async def test_a_hundred_extra_images_are_a_hundred_extra_images_over_all_periods(svc, client, user_id):
    extra = grant(svc, 100, days=365)
    await grant_plan(svc, user_id, limits={"images": 20}, grants=[extra], period_anchor=svc.clock.now())
    assert await usage(client) == (0, 120)
    await spend(svc, client, 50)
    assert await usage(client) == (50, 120)
    assert await draws(svc) == {extra.grant_id: 30}
    svc.clock.advance(MONTH)
    assert await usage(client) == (0, 90)
    await spend(svc, client, 90)
    assert await usage(client) == (90, 90)
    refused = (await order(client)).json()
    assert (refused["code"], refused["metric"]) == ("quota_exceeded", "images")
    svc.clock.advance(MONTH)
    assert await usage(client) == (0, 20)
    await spend(svc, client, 20)
    assert (await order(client)).status_code == 429
    assert await draws(svc) == {extra.grant_id: 100}
    assert await operator.reconcile(svc.runtime) == []


async def test_a_renewed_snapshot_leaves_what_is_left_of_a_grant(svc, client, user_id):
    extra = grant(svc, 5, days=365)
    anchor = svc.clock.now()
    await grant_plan(svc, user_id, limits={"images": 1}, grants=[extra], period_anchor=anchor)
    await spend(svc, client, 3)
    svc.clock.advance(MONTH)
    await grant_plan(svc, user_id, version=2, limits={"images": 1}, grants=[extra], period_anchor=anchor)
    assert await usage(client) == (0, 4)


async def test_what_expires_first_is_used_first_and_what_never_expires_last(svc, client, user_id):
    late, soon, never = grant(svc, 2, days=90), grant(svc, 2, days=10), grant(svc, 2)
    await grant_plan(svc, user_id, limits={"images": 1}, grants=[never, late, soon])
    await spend(svc, client, 2)
    assert await draws(svc) == {soon.grant_id: 1}
    await spend(svc, client, 4)
    assert await draws(svc) == {soon.grant_id: 2, late.grant_id: 2, never.grant_id: 1}


async def test_an_expired_grant_takes_only_what_was_left_of_it(svc, client, user_id):
    soon, later = grant(svc, 3, days=1), grant(svc, 3, days=20)
    await grant_plan(svc, user_id, limits={"images": 1}, grants=[soon, later])
    await spend(svc, client, 3)
    assert await usage(client) == (3, 7)
    svc.clock.advance(86401)
    assert await usage(client) == (3, 6)
    await spend(svc, client, 3)
    assert (await order(client)).status_code == 429


async def test_a_job_that_uses_less_than_it_held_gives_grants_their_units_back(svc, client, user_id):
    extra = grant(svc, 3, days=30)
    await grant_plan(svc, user_id, limits={"images": 1}, grants=[extra])
    await ordered(client)
    job = await ordered(client)
    assert await draws(svc) == {extra.grant_id: 1}
    await client.post(f"/v1/jobs/{job['id']}/cancel")
    assert await draws(svc) == {}
    assert await usage(client) == (1, 4)
    await settle(svc, await claimed(svc), units={"ai_generations": 1, "images": 0})
    assert await usage(client) == (0, 4)
    assert await operator.reconcile(svc.runtime) == []


async def test_a_grant_that_is_taken_back_gives_nothing_more_even_when_it_was_spent(svc, client, user_id):
    extra = grant(svc, 10, days=30)
    await grant_plan(svc, user_id, limits={"images": 1}, grants=[extra])
    await spend(svc, client, 7)
    half = grant(svc, 5, days=30, grant_id=extra.grant_id)
    await grant_plan(svc, user_id, version=2, limits={"images": 1}, grants=[half])
    assert await usage(client) == (7, 7)
    assert (await order(client)).status_code == 429
    await grant_plan(svc, user_id, version=3, limits={"images": 1}, grants=[extra])
    assert await usage(client) == (7, 11)


async def test_a_larger_plan_in_the_middle_of_a_period_gives_grants_their_units_back(svc, client, user_id):
    extra, anchor = grant(svc, 10, days=30), svc.clock.now()
    await grant_plan(svc, user_id, limits={"images": 2}, grants=[extra], period_anchor=anchor)
    await spend(svc, client, 5)
    assert await draws(svc) == {extra.grant_id: 3}
    await grant_plan(svc, user_id, version=2, limits={"images": 50}, grants=[extra], period_anchor=anchor)
    await spend(svc, client, 1)
    assert await draws(svc) == {}
    assert await usage(client) == (6, 60)


async def test_a_smaller_plan_in_the_middle_of_a_period_charges_grants_only_for_what_is_new(svc, client, user_id):
    extra, anchor = grant(svc, 3, days=30), svc.clock.now()
    await grant_plan(svc, user_id, limits={"images": 10}, grants=[extra], period_anchor=anchor)
    await spend(svc, client, 8)
    await grant_plan(svc, user_id, version=2, limits={"images": 2}, grants=[extra], period_anchor=anchor)
    assert await usage(client) == (8, 11)
    await spend(svc, client, 3)
    assert await draws(svc) == {extra.grant_id: 3}
    assert (await order(client)).status_code == 429


async def test_parallel_orders_spend_exactly_what_plan_and_grants_hold(svc, client, user_id):
    extra = [grant(svc, 7, days=30), grant(svc, 4, days=60)]
    await grant_plan(svc, user_id, limits={"images": 5}, grants=extra)
    answers = await asyncio.gather(*(order(client) for _ in range(40)))
    assert sorted(answer.status_code for answer in answers) == [202] * 16 + [429] * 24
    assert await draws(svc) == {extra[0].grant_id: 7, extra[1].grant_id: 4}


async def test_two_periods_that_meet_take_turns_at_a_grant(svc, client, user_id):
    """One transaction has drawn and not committed when the other asks: it waits, and finds what is left."""
    extra = grant(svc, 10, days=90)
    await grant_plan(svc, user_id, limits={"images": 0}, grants=[extra])
    await spend(svc, client, 1)
    cover = "SELECT usage_cover_v1(%s, 'images', 0, 6, %s) AS drawn"
    values, pool = (user_id, svc.clock.now()), svc.runtime.database.pool
    async with pool.connection() as ending, pool.connection() as beginning:
        async with ending.transaction():
            assert (await (await ending.execute(cover, values)).fetchone())["drawn"] == 6
            other = asyncio.create_task(beginning.execute(cover, values))
            done, _ = await asyncio.wait([other], timeout=0.3)
            assert not done
        assert (await (await other).fetchone())["drawn"] == 3
    assert await draws(svc) == {extra.grant_id: 10}


async def test_jobs_of_an_old_period_settle_beside_orders_of_the_new_one(svc, client, user_id):
    extra = grant(svc, 10, days=90)
    await grant_plan(svc, user_id, limits={"images": 1}, grants=[extra], period_anchor=svc.clock.now())
    for _ in range(6):
        await ordered(client)
    svc.clock.advance(MONTH)
    held = [await claimed(svc, lease=600) for _ in range(2)]
    late = [settle(svc, each, units={"ai_generations": 1, "images": 0}) for each in held]
    answers, *_ = await asyncio.gather(asyncio.gather(*(order(client) for _ in range(12))), *late)
    assert 6 <= sum(answer.status_code == 202 for answer in answers) <= 8
    assert sum((await draws(svc)).values()) <= 10
    assert await operator.reconcile(svc.runtime) == []


@pytest.mark.parametrize("metric", ["ai_generations", "images"])
async def test_an_order_refused_for_one_metric_spends_no_grant_of_another(svc, client, user_id, metric):
    other = {"ai_generations": "images", "images": "ai_generations"}[metric]
    await grant_plan(svc, user_id, limits={metric: 0, other: 0}, grants=[grant(svc, 5, metric=other, days=9)])
    refused = (await order(client)).json()
    assert (refused["code"], refused["metric"]) == ("quota_exceeded", metric)
    assert await draws(svc) == {}


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.just(0)),
        st.tuples(st.just("settle"), st.integers(0, 2)),
        st.tuples(st.just("month"), st.integers(1, 2)),
        st.tuples(st.just("plan"), st.integers(0, 6)),
        st.tuples(st.just("take_back"), st.integers(0, 4)),
    ),
    max_size=25,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
async def test_whatever_happens_grants_pay_for_at_most_what_they_hold(svc, acts):
    """Orders, settlements, new months, other plans and take-backs in any order: the books of both sides agree."""
    user, first, second = new_id(), new_id(), new_id()
    anchor, version, limit, left, held = svc.clock.now(), 0, 2, 4, 0
    await svc.rows("DELETE FROM job_queue RETURNING 1")
    async with svc.client(user) as client:
        for act, number in [("plan", limit), *acts]:
            if act == "order":
                held += (await order(client)).status_code == 202
            elif act == "settle" and held:
                held -= 1
                await settle(svc, await claimed(svc), units={"ai_generations": 1, "images": number})
            elif act == "month":
                svc.clock.advance(number * MONTH)
            elif act in {"plan", "take_back"}:
                limit, left = (number, left) if act == "plan" else (limit, number)
                version += 1
                both = [grant(svc, 3, days=400, grant_id=first), *([grant(svc, left, grant_id=second)] if left else [])]
                await grant_plan(
                    svc, user, version=version, limits={"images": limit}, grants=both, period_anchor=anchor
                )
            drawn = await draws(svc)
            assert drawn.get(first, 0) <= 3
            assert drawn.get(second, 0) <= 4
            assert (await usage(client))[1] >= limit
    found = await operator.reconcile(svc.runtime)
    assert [row for row in found if row["what"] == "grant_draws"] == []
