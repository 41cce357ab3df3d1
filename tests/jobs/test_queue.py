"""The queue's protocol by hand: who is next, whose write counts, and where everything ends."""

import asyncio

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.jobs import operator
from services.jobs.queue import Queue
from tests.support.jobs import PLACE, claim, claim_many, claimed, grant_plan, ordered, settle, someone


async def people(svc, *plans):
    """Users with plans, each as (user_id, client)."""
    made = []
    for plan in plans:
        user_id = someone()
        await grant_plan(svc, user_id, **plan)
        made.append((user_id, svc.client(user_id)))
    return made


async def place_directly(svc, user_id, number, *, cost=1.0, tool="sleep"):
    """Orders straight through the SQL function, for tests that need thousands of jobs."""
    await svc.rows(PLACE, user=str(user_id), tool=tool, now=svc.clock.now(), cost=cost, number=number)


async def test_a_newcomer_is_served_next_to_a_whale(svc):
    (whale, _), (light, _) = await people(svc, {"max_running": 99}, {"max_running": 99})
    await place_directly(svc, whale, 300)
    for _ in range(20):
        await settle(svc, await claimed(svc))
    await place_directly(svc, light, 5)
    served = []
    for _ in range(12):
        held = await claimed(svc)
        served.append("light" if held.user_id == light else "whale")
        await settle(svc, held)
    assert "".join(name[0] for name in served) in {"lwlwlwlwlwww", "wlwlwlwlwlww"}


async def test_whoever_orders_little_waits_at_most_one_job_of_each_active_tenant(svc):
    whale, *others = [user_id for user_id, _ in await people(svc, *[{"max_running": 999}] * 9)]
    await place_directly(svc, whale, 300)
    for user_id in others[:-1]:
        await place_directly(svc, user_id, 30)
    # Jobs in hand, of the whale's above all, must not push back whoever comes now.
    held = [await claimed(svc) for _ in range(20)]
    light = others[-1]
    for _ in range(4):
        await place_directly(svc, light, 1)
        active = await svc.rows("SELECT count(*) AS n FROM tenant_lanes WHERE ready > 0")
        held += [await claimed(svc) for _ in range(active[0]["n"])]
        assert light in {job.user_id for job in held[-active[0]["n"] :]}
        for old in held[:5]:
            await settle(svc, old)
        del held[:5]


async def test_weights_are_shares(svc):
    (one, _), (three, _) = await people(svc, {"max_running": 99, "weight": 1}, {"max_running": 99, "weight": 3})
    await place_directly(svc, one, 400)
    await place_directly(svc, three, 400)
    served = []
    for _ in range(400):
        held = await claimed(svc)
        served.append(held.user_id)
        await settle(svc, held)
    assert abs(served.count(three) - 300) <= 2


async def test_whoever_uses_more_seconds_than_expected_gets_fewer_jobs(svc):
    (slow, _), (quick, _) = await people(svc, {"max_running": 99}, {"max_running": 99})
    await place_directly(svc, slow, 200)
    await place_directly(svc, quick, 200)
    served = {slow: 0, quick: 0}
    for _ in range(220):
        held = await claimed(svc)
        served[held.user_id] += 1
        await settle(svc, held, run_seconds=10 if held.user_id == slow else 1)
    assert 18 <= served[slow] <= 22


async def test_idling_banks_no_credit(svc):
    (idle, _), (busy, _) = await people(svc, {"max_running": 99}, {"max_running": 99})
    await place_directly(svc, idle, 1)
    await settle(svc, await claimed(svc))
    await place_directly(svc, busy, 50)
    for _ in range(50):
        await settle(svc, await claimed(svc))
    # The lane is empty now; the one who comes back first must not be paid for having waited.
    await place_directly(svc, idle, 20)
    await place_directly(svc, busy, 20)
    served = []
    for _ in range(20):
        held = await claimed(svc)
        served.append(held.user_id)
        await settle(svc, held)
    assert abs(served.count(idle) - 10) <= 1


@given(arrivals=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_two_backlogged_tenants_never_drift_apart(svc, arrivals):
    """Served virtual time of any two that both wait differs by at most one job of each."""
    weights = [1, 2, 3, 6]
    users = [user_id for user_id, _ in await people(svc, *({"max_running": 99, "weight": w} for w in weights))]
    for who, number, cost in arrivals:
        await place_directly(svc, users[who], number, cost=float(cost))
        if held := await claim(svc):
            await settle(svc, held, run_seconds=2)
    while held := await claim(svc):
        await settle(svc, held, run_seconds=2)
        rows = await svc.rows("SELECT weight, vtime FROM tenant_lanes WHERE ready > 0")
        spread = max((row["vtime"] for row in rows), default=0) - min((row["vtime"] for row in rows), default=0)
        assert spread <= 2 * max((4 / row["weight"] for row in rows), default=0) + 1e-3
    assert await operator.reconcile(svc.runtime) == []


async def test_priority_orders_a_tenant_s_own_jobs_only(svc):
    (_, mine), (_, other) = await people(svc, {"max_running": 99}, {"max_running": 99})
    late = await ordered(mine, priority=0)
    urgent = await ordered(mine, priority=10)
    theirs = await ordered(other, priority=-10)
    order = [str((await claimed(svc)).job_id) for _ in range(3)]
    assert order.index(urgent["id"]) < order.index(late["id"])
    assert order.index(theirs["id"]) < 2


async def test_a_tenant_never_runs_more_than_the_plan_allows(svc):
    [(user_id, client)] = await people(svc, {"max_running": 2})
    for _ in range(4):
        await ordered(client)
    held = [await claimed(svc), await claimed(svc)]
    assert await claim(svc) is None
    await grant_plan(svc, user_id, version=2, max_running=3)
    held.append(await claimed(svc))
    assert await claim(svc) is None
    await settle(svc, held[0])
    assert await claim(svc) is not None


async def test_several_claimed_at_once_are_those_that_would_have_come_one_by_one(svc):
    users = [user_id for user_id, _ in await people(svc, *({"max_running": 4, "weight": w} for w in (1, 2, 3)))]
    for user_id in users:
        await place_directly(svc, user_id, 10)
    waiting = await svc.rows("SELECT user_id, lane, ready, running, vtime FROM tenant_lanes ORDER BY user_id")
    one_by_one = [(await claimed(svc)).user_id for _ in range(8)]
    await svc.rows("UPDATE job_queue SET state = 0, lease_token = NULL, lease_until = NULL RETURNING 1")
    for row in waiting:
        back = "UPDATE tenant_lanes SET ready = %(ready)s, running = %(running)s, vtime = %(vtime)s"
        await svc.rows(f"{back} WHERE user_id = %(user_id)s AND lane = %(lane)s RETURNING 1", **row)
    await svc.rows("DELETE FROM job_attempts RETURNING 1")
    await svc.rows("DELETE FROM outbox WHERE type = 'job.started' RETURNING 1")
    at_once = await claim_many(svc, 8)
    assert [held.user_id for held in at_once] == one_by_one
    assert len({held.token for held in at_once}) == len({held.job_id for held in at_once}) == 8
    # Twelve may run by the plans, however many are asked for.
    assert len(await claim_many(svc, 50)) == 4
    assert await claim_many(svc, 50) == []


async def test_many_claimers_share_without_quarrel(svc):
    users = [user_id for user_id, _ in await people(svc, *({"max_running": 3} for _ in range(6)))]
    for user_id in users:
        await place_directly(svc, user_id, 15)

    async def work(most):
        done = 0
        while claims := await claim_many(svc, most):
            done += len(claims)
            [row] = await svc.rows("SELECT max(running) AS most FROM tenant_lanes")
            assert row["most"] <= 3
            for held in claims:
                await settle(svc, held)
        return done

    assert sum(await asyncio.gather(*(work(1 + number % 4) for number in range(8)))) == 90
    completed = [event["subject"] for event in await svc.published("job.completed")]
    assert len(completed) == len(set(completed)) == 90
    assert await operator.reconcile(svc.runtime) == []


async def test_a_zombie_s_late_result_is_refused(svc, client):
    job = await ordered(client)
    zombie = await claimed(svc, lease=-1)
    assert await Queue(svc.runtime.database).reap(svc.clock.now()) == 1
    rightful = await claimed(svc)
    assert rightful.job_id == zombie.job_id
    queue = Queue(svc.runtime.database)
    beat = {"lease": 60, "progress": 50, "stage": "x", "now": svc.clock.now()}
    assert await queue.heartbeat(zombie, **beat) == "lost"
    assert await settle(svc, zombie, url="/zombie") == "LOST"
    assert await queue.heartbeat(rightful, **beat) == "ok"
    assert await settle(svc, rightful, url="/right") == "COMPLETED"
    assert await settle(svc, rightful, url="/again") == "LOST"
    [row] = await svc.rows("SELECT result_url, attempt FROM jobs")
    assert row == {"result_url": "/right", "attempt": 2}
    assert (await client.get(f"/v1/jobs/{job['id']}")).json()["status"] == "COMPLETED"
    assert len(await svc.published("job.completed")) == 1


async def test_an_ended_job_can_not_be_changed_even_by_hand(svc, client):
    await ordered(client)
    await settle(svc, await claimed(svc))
    with pytest.raises(psycopg.errors.RaiseException, match="stays so"):
        await svc.rows("UPDATE jobs SET status = 'PENDING' RETURNING id")


async def test_errors_are_retried_three_times_and_then_final(svc, client):
    job = await ordered(client)
    for attempt in (1, 2):
        assert await settle(svc, await claimed(svc), "RETRY", code="INTERNAL", delay=30) == "RETRY", attempt
        assert await claim(svc) is None
        svc.clock.advance(31)
        await Queue(svc.runtime.database).promote(svc.clock.now())
    assert await settle(svc, await claimed(svc), "RETRY", code="INTERNAL", message="Sorry.", delay=30) == "FAILED"
    ended = (await client.get(f"/v1/jobs/{job['id']}")).json()
    assert ended["error"] == {"code": "INTERNAL", "message": "Sorry.", "retryable": True}
    assert (ended["attempt"], ended["max_attempts"]) == (3, 3)
    assert len(await svc.published("job.retry_scheduled")) == 2
    assert len(await svc.published("job.failed")) == 1


async def test_a_poisonous_job_stops_after_two_deaths_of_its_child(svc, client):
    await ordered(client)
    assert await settle(svc, await claimed(svc), "CRASHED", code="ENGINE_FAILED", delay=0) == "CRASHED"
    assert await settle(svc, await claimed(svc), "CRASHED", code="ENGINE_FAILED", delay=0) == "FAILED"


async def test_lost_runners_have_a_cap_of_their_own(svc, client):
    job = await ordered(client)
    for losses in range(1, 11):
        await claimed(svc, lease=-1)
        await Queue(svc.runtime.database).reap(svc.clock.now())
        status = (await client.get(f"/v1/jobs/{job['id']}")).json()["status"]
        assert status == ("PENDING" if losses < 10 else "FAILED")
    assert await operator.reconcile(svc.runtime) == []


async def test_a_drain_counts_against_nothing(svc, client):
    await ordered(client)
    for _ in range(12):
        assert await settle(svc, await claimed(svc), "RELEASE", delay=0) == "RELEASE"
    [row] = await svc.rows("SELECT failures, crashes, losses FROM job_queue")
    assert row == {"failures": 0, "crashes": 0, "losses": 0}


async def test_a_running_job_that_is_called_off_ends_cancelled_whatever_the_runner_says(svc, client):
    queue = Queue(svc.runtime.database)
    for outcome in ("CANCELLED", "RETRY", "CRASHED", "RELEASE"):
        job = await ordered(client)
        held = await claimed(svc)
        answer = await client.post(f"/v1/jobs/{job['id']}/cancel")
        assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (
            202,
            "PROCESSING",
            "cancelling",
        )
        beat = {"lease": 60, "progress": 5, "stage": "x", "now": svc.clock.now()}
        assert await queue.heartbeat(held, **beat) == "cancel"
        assert await settle(svc, held, outcome) == "CANCELLED"
        assert (await client.get(f"/v1/jobs/{job['id']}")).json()["status"] == "CANCELLED"
    job = await ordered(client)
    await claimed(svc, lease=-1)
    await client.post(f"/v1/jobs/{job['id']}/cancel")
    await queue.reap(svc.clock.now())
    assert (await client.get(f"/v1/jobs/{job['id']}")).json()["status"] == "CANCELLED"
    assert await operator.reconcile(svc.runtime) == []


async def test_a_job_that_could_not_start_in_time_is_dropped(svc, client):
    job = await ordered(client, start_deadline_seconds=60)
    queue = Queue(svc.runtime.database)
    assert await queue.miss_deadlines(svc.clock.now()) == 0
    svc.clock.advance(61)
    assert await queue.miss_deadlines(svc.clock.now()) == 1
    ended = (await client.get(f"/v1/jobs/{job['id']}")).json()
    assert (ended["status"], ended["error"]["code"]) == ("FAILED", "DEADLINE_BEFORE_START")
    assert await operator.reconcile(svc.runtime) == []


async def test_a_paused_lane_hands_out_nothing(svc, client, user_id):
    await ordered(client)
    async with svc.admin(someone()) as admin:
        assert (await client.post("/v1/admin/jobs/lanes/interactive/pause")).status_code == 403
        assert (await admin.post("/v1/admin/jobs/lanes/interactive/pause")).status_code == 204
        assert await claim(svc) is None
        queues = {lane["lane"]: lane for lane in (await admin.get("/v1/admin/jobs/queues")).json()["items"]}
        assert queues["interactive"]["ready"] == 1
        assert queues["interactive"]["paused_at"] is not None
        assert (await admin.post("/v1/admin/jobs/lanes/interactive/resume")).status_code == 204
    assert await claim(svc) is not None


async def test_progress_only_grows_and_never_claims_to_be_done(svc, client):
    job = await ordered(client)
    held, queue = await claimed(svc), Queue(svc.runtime.database)
    shown = []
    for percent in (10, 40, 20, 100):
        await queue.heartbeat(held, lease=60, progress=percent, stage=f"at {percent}", now=svc.clock.now())
        shown.append((await client.get(f"/v1/jobs/{job['id']}")).json()["progress"])
    assert shown == [10, 40, 40, 99]


async def test_the_place_in_the_queue_knows_of_fairness(svc):
    (whale, whales), (_, light) = await people(svc, {"max_running": 1}, {"max_running": 1})
    await place_directly(svc, whale, 50)
    job = await ordered(light, "sleep")
    assert job["queue"]["position"] <= 2
    last = await ordered(whales, "sleep")
    assert last["queue"]["ahead"] == 51
    eta = last["queue"]["eta_seconds"]
    assert 0 < eta["low"] < eta["high"]
    assert eta["high"] > job["queue"]["eta_seconds"]["high"]


async def test_a_settle_finds_its_attempt_by_key_while_the_table_is_small(svc):
    ((user, _client),) = await people(svc, {})
    await place_directly(svc, user, 1)
    held = await claimed(svc)
    async with svc.runtime.database.pool.connection() as connection:
        await connection.execute("ANALYZE job_attempts")
        async with connection.transaction():
            values = (held.job_id, held.token, svc.clock.now())
            await connection.execute("SELECT jobs_settle_v1(%s, %s, 'FAILED', '{}', %s)", values)
            query = "SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'job_attempts'"
            row = await (await connection.execute(query)).fetchone()
    assert (row["seq_scan"], row["idx_scan"]) == (0, 1), "a plan kept from an empty table would read all of a full one"
