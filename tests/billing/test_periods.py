"""RB17: months, leap days and years. What billing says is given to the service that spends it, on the same clock."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.billing import EntitlementChanged
from shared.periods import months_after
from tests.billing.test_grants import buy_pack
from tests.support.jobs import claimed, jobs_service, order, ordered, settle


@asynccontextmanager
async def studio(shop):
    """The service that makes images, on the shop's clock."""
    async with jobs_service(clock=shop.svc.clock) as jobs:
        yield jobs


async def tell(shop, jobs, user):
    """Every snapshot of the user's rights so far, as the bus would bring them: in order, and once more at the end."""
    told = [event for event in await shop.svc.published("entitlement.changed") if event["data"]["user_id"] == str(user)]
    for event in [*told, told[-1]]:
        await jobs.receive(EntitlementChanged.model_validate(event["data"]), sequence=int(event["sequence"]))


async def reach(shop, moment):
    """Move the clock to a moment that lies ahead."""
    ahead = moment - shop.svc.clock.now()
    assert ahead > timedelta()
    await shop.advance(ahead / timedelta(days=1) + 1 / 86400)


def next_day(now, month, day, *, leap=None):
    """The next such day after `now`; of a leap year, or of none, if that matters."""
    for year in range(now.year, now.year + 9):
        is_leap = year % 4 == 0
        if (leap is None or is_leap == leap) and datetime(year, month, day, 12, tzinfo=UTC) > now:
            return datetime(year, month, day, 12, tzinfo=UTC)
    raise AssertionError("no such day")


async def usage(jobs, user, metric="images"):
    async with jobs.client(user) as client:
        return (await client.get("/v1/jobs/usage")).json()[metric]


async def make_images(jobs, user, count):
    async with jobs.client(user) as client:
        for _ in range(count):
            await ordered(client)
            await settle(jobs, await claimed(jobs))


async def test_a_yearly_plan_renews_its_limits_every_month_and_is_charged_once(shop):
    await reach(shop, next_day(shop.svc.clock.now(), 1, 31, leap=False))
    user = await shop.register()
    checkout = await shop.checkout(user, "creator", "year")
    await shop.pay(checkout["session_id"])
    await shop.settle()
    started = datetime.fromisoformat((await shop.entitlement(user))["period_anchor"])
    async with studio(shop) as jobs:
        await tell(shop, jobs, user)
        for month in range(1, 12):
            await make_images(jobs, user, 2)
            now = await usage(jobs, user)
            assert (now["used"], now["limit"]) == (2, 300)
            ends = datetime.fromisoformat(now["resets_at"])
            assert ends == months_after(started, month)
            assert ends.day == 31 or (ends + timedelta(days=1)).day == 1
            await reach(shop, ends)
            await tell(shop, jobs, user)
            assert (await usage(jobs, user))["used"] == 0
    assert len(await shop.payments(user)) == 1
    assert (await shop.entitlement(user))["plan_id"] == "creator"
    assert (await shop.payments(user))[0]["amount"] == 19000


@pytest.mark.parametrize(
    ("month", "day", "leap", "boundaries"),
    [
        (1, 31, False, [(2, 28), (3, 31), (4, 30)]),
        (1, 31, True, [(2, 29), (3, 31), (4, 30)]),
        (2, 29, True, [(3, 29), (4, 29), (5, 29)]),
        (12, 31, None, [(1, 31), None, (3, 31)]),
        (3, 28, None, [(4, 28), (5, 28), (6, 28)]),
    ],
)
async def test_stripe_s_months_and_the_limits_months_end_at_the_same_moments(shop, month, day, leap, boundaries):
    """A monthly plan's quota is new exactly when Stripe charges for it, over short months and summer time alike."""
    await reach(shop, next_day(shop.svc.clock.now(), month, day, leap=leap))
    user = await shop.register()
    await shop.buy(user, "creator")
    async with studio(shop) as jobs:
        for renewals, boundary in enumerate(boundaries, 1):
            await tell(shop, jobs, user)
            resets_at = datetime.fromisoformat((await usage(jobs, user))["resets_at"])
            async with shop.svc.client(user) as client:
                subscription = (await client.get("/v1/billing/subscription")).json()["subscription"]
            assert resets_at == datetime.fromisoformat(subscription["period_end"])
            assert boundary is None or (resets_at.month, resets_at.day) == boundary
            await reach(shop, resets_at)
            assert len(await shop.svc.published("subscription.renewed")) == renewals


async def test_a_hundred_bought_images_are_made_and_a_renewal_leaves_the_rest(shop):
    user = await shop.register()
    await shop.buy(user, "creator")
    await buy_pack(shop, user)
    async with studio(shop) as jobs:
        await tell(shop, jobs, user)
        assert (await usage(jobs, user))["limit"] == 400
        async with jobs.client(user) as client:
            for _ in range(3):
                job = await ordered(client, "images", prompt="a red boat", options={"n": 1})
                assert job["usage"]["images"] == 1
        await jobs.rows("UPDATE usage_counters SET used = 297 WHERE metric = 'images' RETURNING 1")
        await jobs.rows("UPDATE usage_counters SET used = 97 WHERE metric = 'ai_generations' RETURNING 1")
        await make_images(jobs, user, 4)
        assert (await usage(jobs, user))["limit"] == 400
        await reach(shop, datetime.fromisoformat((await usage(jobs, user))["resets_at"]))
        await tell(shop, jobs, user)
        now = await usage(jobs, user)
        assert (now["used"], now["limit"]) == (0, 396)
        await shop.refund((await packs_of(shop, user))[0]["id"])
        await shop.settle()
        await tell(shop, jobs, user)
        assert (await usage(jobs, user))["limit"] == 300


async def packs_of(shop, user):
    return [payment for payment in await shop.payments(user) if payment["kind"] == "one_time"]


async def test_a_free_user_s_pack_is_spendable_to_its_last_image(shop):
    user = await shop.register()
    await buy_pack(shop, user)
    async with studio(shop) as jobs:
        await tell(shop, jobs, user)
        await make_images(jobs, user, 110)
        async with jobs.client(user) as client:
            refused = (await order(client)).json()
        assert (refused["code"], refused["metric"]) == ("quota_exceeded", "ai_generations")
        assert (await usage(jobs, user))["used"] == 110
