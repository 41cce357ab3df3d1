"""RB4 for changes of plan: dying at any commit or call changes once, charges once, and plans once."""

import pytest

from services.billing.tasks_subscription import finish_changes
from tests.billing.test_crashes import insist, recovered
from tests.support.billing_dump import dump_of
from tests.support.deaths import Fate, mortal


async def ask(shop, user, plan_id, key):
    async with shop.svc.client(user) as client:
        return await client.post(
            "/v1/billing/subscription/change",
            json={"plan_id": plan_id, "interval": "month"},
            headers={"Idempotency-Key": key},
        )


async def live(shop, user):
    """Up, then down again from the next period on, and up once more, which takes that back."""
    for number, plan_id in enumerate(("viral", "creator", "studio")):
        await insist(lambda number=number, plan_id=plan_id: ask(shop, user, plan_id, f"change-{number}"))
    await recovered(shop)
    await insist(lambda: finish_changes(shop.svc.runtime))
    await recovered(shop)


async def at_stripe(shop):
    invoices = (await shop.stripe("GET", "invoices", limit=100))["data"]
    schedules = (await shop.stripe("GET", "subscription_schedules", limit=100))["data"]
    return sorted(each["amount_paid"] for each in invoices), [each["status"] for each in schedules]


async def history(shop, fate):
    await shop.empty()
    user = await shop.register()
    await shop.buy(user, "creator")
    async with mortal(shop, fate):
        await live(shop, user)
    dump = await dump_of(shop, user)
    for row in dump["subscriptions"]:
        row.update(period_start=None, period_end=None, started_at=None)
    changes = await shop.svc.rows("SELECT plan_id, kind, status FROM plan_changes ORDER BY created_at")
    planned = await shop.svc.rows("SELECT next_plan_id, stripe_schedule_id FROM subscriptions")
    return {**dump, "changes": changes, "planned": planned, "stripe": await at_stripe(shop)}


async def test_three_changes_are_three_changes(shop):
    expected = await history(shop, Fate())
    assert [(row["kind"], row["status"]) for row in expected["changes"]] == [
        ("now", "done"),
        ("period_end", "done"),
        ("now", "done"),
    ]
    assert expected["planned"] == [{"next_plan_id": None, "stripe_schedule_id": None}]
    assert expected["stripe"] == ([1900, 2000, 6000], ["released"])


@pytest.mark.slow
@pytest.mark.timeout(1100)
async def test_a_death_at_any_commit_or_call_of_a_change_ends_in_the_same_books(shop):
    fate = Fate()
    expected = await history(shop, fate)
    points = sorted(set(fate.passed))
    names = " ".join(points)
    for part in ("POST /v1/subscriptions", "POST /v1/subscription_schedules", "change_plan", "finish_change"):
        assert part in names
    differing = {}
    for point in points:
        fate = Fate(point, 1)
        seen = await history(shop, fate)
        assert fate.has_struck, point
        if seen != expected:
            differing[point] = {key: (seen[key], expected[key]) for key in seen if seen[key] != expected[key]}
    assert differing == {}
