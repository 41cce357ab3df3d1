"""Going up, using everything and going down again never yields more than what was paid for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.billing.catalogue import PLANS
from services.billing.models import Payment
from services.billing.usecases.prorated_limits import prorated_limits
from shared.periods import period_of

SIZES = ("creator", "viral", "studio")
METRICS = tuple(PLANS["creator"].limits)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
anchors = st.integers(0, 5 * 366 * 86400).map(lambda seconds: FIRST + timedelta(seconds=seconds))


@dataclass(frozen=True)
class Step:
    """A change to a larger plan: from which, to which, and what share of the period was paid for."""

    before: str
    after: str
    paid: Fraction


def bought(base: str, steps: list[Step], metric: str) -> Fraction:
    """What the money of a period buys of a metric, at the rates of the plans it went to."""
    total = Fraction(PLANS[base].limits[metric])
    for step in steps:
        added = PLANS[step.after].limits[metric] - PLANS[step.before].limits[metric]
        total += added * step.paid
    return total


@given(anchor=anchors, months=st.integers(0, 14), shares=st.lists(st.floats(0, 0.9999), min_size=1, max_size=2))
@settings(max_examples=300, deadline=None)
def test_limits_of_a_month_with_upgrades_are_what_was_paid_for_and_less_than_one_more(anchor, months, shares):
    """Every second of every month, also of short ones and from the 31st on."""
    start, end = period_of(anchor, anchor + timedelta(days=30 * months))
    whole = (end - start).total_seconds()
    moments = sorted(start + timedelta(seconds=int(whole * share)) for share in shares)
    payments, steps = [], []
    for moment, before, after in zip(moments, SIZES, SIZES[1:], strict=False):
        payments.append(Payment(plan_id=after, previous_plan_id=before, prorated_at=moment))
        steps.append(Step(before, after, Fraction(int((end - moment).total_seconds()), int(whole))))
    plan_id = SIZES[len(steps)]
    limits = prorated_limits(plan_id, anchor, payments, moments[-1])
    for metric in METRICS:
        paid_for = bought("creator", steps, metric)
        assert paid_for <= limits[metric] < paid_for + len(steps)
        assert PLANS["creator"].limits[metric] <= limits[metric] <= PLANS[plan_id].limits[metric]
    assert prorated_limits(plan_id, anchor, payments, end) == PLANS[plan_id].limits


moves = st.lists(st.sampled_from(["wait 1", "wait 9", "wait 20", *(f"change {name}" for name in SIZES)]), max_size=6)


class Ledger:
    """What somebody paid and could use in each of their periods, as they saw it."""

    def __init__(self, shop, user):
        self.shop, self.user = shop, user
        self.usable, self.base, self.steps = {}, {}, {}

    async def live(self, move):
        name, value = move.split()
        if name == "wait":
            await self.shop.advance(float(value))
            await self.look()
            return
        async with self.shop.svc.client(self.user) as client:
            before = (await client.get("/v1/billing/subscription")).json()["subscription"]
            paid_before = len(await self.shop.payments(self.user))
            body = {"plan_id": value, "interval": "month"}
            answer = await client.post("/v1/billing/subscription/change", json=body)
        assert answer.status_code in {200, 409}, answer.text
        payments = await self.shop.payments(self.user)
        if len(payments) > paid_before:
            price = PLANS[value].month - PLANS[before["plan_id"]].month
            # Half a cent is what rounding may have saved on each of the two lines.
            step = Step(before["plan_id"], value, Fraction(payments[0]["amount"] + 1, price))
            self.steps.setdefault(before["period_start"], []).append(step)
        await self.look()

    async def look(self):
        async with self.shop.svc.client(self.user) as client:
            row = (await client.get("/v1/billing/subscription")).json()["subscription"]
        period = row["period_start"]
        self.base.setdefault(period, row["plan_id"])
        for metric, limit in (await self.shop.entitlement(self.user))["limits"].items():
            seen = self.usable.setdefault(period, {})
            seen[metric] = max(limit, seen.get(metric, 0))

    def check(self):
        for period, seen in self.usable.items():
            steps = self.steps.get(period, [])
            for metric, limit in seen.items():
                assert limit <= bought(self.base[period], steps, metric) + len(steps), (period, metric, steps)


async def live_through(shop, story):
    await shop.empty()
    user = await shop.register()
    await shop.buy(user, "creator")
    ledger = Ledger(shop, user)
    await ledger.look()
    for move in story:
        await ledger.live(move)
    ledger.check()
    assert {payment["status"] for payment in await shop.payments(user)} == {"PAID"}


async def test_going_up_on_the_last_day_using_everything_and_going_down_yields_nothing(shop):
    await live_through(
        shop, ["wait 9", "change viral", "wait 9", "change studio", "wait 9", "change creator", "wait 9"]
    )
    await live_through(shop, ["wait 20", "wait 9", "change studio", "change creator", "wait 9", "change studio"])


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(story=moves)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_way_of_going_up_and_down_yields_more_than_was_paid_for(shop, story):
    await live_through(shop, story)
