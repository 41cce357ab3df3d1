"""What billing and accounts say, and what follows from it at once."""

from datetime import timedelta

from services.jobs import operator
from shared.contracts.accounts import UserDisabled, UserEnabled, UserRegistered
from shared.contracts.billing import EntitlementGrant
from tests.support.jobs import claim, claimed, grant_plan, order, ordered, settle


def registered(user_id, at):
    return UserRegistered(
        user_id=user_id, handle="ada", display_name="Ada", locale="en", email_fingerprint="f", registered_at=at
    )


async def limit(client, metric="ai_generations"):
    return (await client.get("/v1/jobs/usage")).json()[metric]["limit"]


async def test_the_newest_snapshot_wins_whatever_the_order(svc, client, user_id):
    await grant_plan(svc, user_id, version=3, limits={"ai_generations": 33})
    await grant_plan(svc, user_id, version=2, limits={"ai_generations": 22})
    assert await limit(client) == 33
    await grant_plan(svc, user_id, version=4, limits={"ai_generations": 44})
    assert await limit(client) == 44


async def test_grants_count_until_they_run_out(svc, client, user_id):
    ends = svc.clock.now() + timedelta(days=1)
    grants = [
        EntitlementGrant(grant_id=user_id, metric="ai_generations", amount=5, expires_at=ends),
        EntitlementGrant(grant_id=user_id, metric="ai_generations", amount=2, expires_at=None),
        EntitlementGrant(grant_id=user_id, metric="images", amount=100, expires_at=None),
    ]
    await grant_plan(svc, user_id, limits={"ai_generations": 1}, grants=grants)
    assert await limit(client) == 8
    svc.clock.advance(86401)
    assert await limit(client) == 3


async def test_when_a_paid_plan_ends_the_free_period_is_found_again_with_its_use(svc, client, user_id):
    start = svc.clock.now()
    await svc.receive(registered(user_id, start))
    free = {"ai_generations": 2}
    await grant_plan(svc, user_id, version=1, plan_id="free", limits=free, period_anchor=start)
    await ordered(client)
    await ordered(client)
    assert (await order(client)).status_code == 429
    svc.clock.advance(86400)
    await grant_plan(svc, user_id, version=2, limits={"ai_generations": 100}, period_anchor=svc.clock.now())
    await ordered(client)
    await grant_plan(svc, user_id, version=3, plan_id="free", limits=free, period_anchor=start)
    refused = await order(client)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")


async def test_being_seen_before_being_registered_gives_nothing_twice(svc, client, user_id):
    for _ in range(9):
        await ordered(client)
    anchor = svc.clock.now() - timedelta(hours=1)
    await svc.receive(registered(user_id, anchor))
    await grant_plan(svc, user_id, plan_id="free", limits={"ai_generations": 10}, period_anchor=anchor)
    assert (await client.get("/v1/jobs/usage")).json()["ai_generations"]["reserved"] == 9
    await settle(svc, await claimed(svc))
    row = (await client.get("/v1/jobs/usage")).json()["ai_generations"]
    assert (row["used"], row["reserved"]) == (1, 8)
    assert await operator.reconcile(svc.runtime) == []


async def test_a_new_plan_gives_waiting_work_its_new_weight(svc, client, user_id):
    await grant_plan(svc, user_id, weight=1)
    await ordered(client)
    await grant_plan(svc, user_id, version=2, weight=6, max_running=4)
    [row] = await svc.rows("SELECT weight, max_running FROM tenant_lanes")
    assert row == {"weight": 6.0, "max_running": 4}


async def test_a_disabled_user_s_work_ends_and_nothing_new_begins(svc, client, user_id):
    await grant_plan(svc, user_id)
    waiting = [await ordered(client) for _ in range(3)]
    held = await claimed(svc)
    await svc.receive(UserDisabled(user_id=user_id, reason="spam"), sequence=7)
    assert await claim(svc) is None
    assert await settle(svc, held) == "COMPLETED"
    statuses = [(await client.get(f"/v1/jobs/{job['id']}")).json()["status"] for job in waiting]
    assert sorted(statuses) == ["CANCELLED", "CANCELLED", "COMPLETED"]
    refused = await order(client)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_disabled")
    await svc.receive(UserEnabled(user_id=user_id, reason="a mistake"), sequence=8)
    assert (await order(client)).status_code == 202
    assert {event["data"]["by"] for event in await svc.published("job.cancelled")} == {"system"}
