"""Limits of the month in which somebody changed to a larger plan.

They paid for the larger plan only from that moment on, so of what it adds they get the share of the month that was
left. Without this, a change on a month's last day would give a whole month's worth for a day's price.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.billing.catalogue import PLANS
from services.billing.models import Payment
from shared.periods import period_of

_SECOND = timedelta(seconds=1)


def prorated_limits(plan_id: str, anchor: datetime, upgrades: Sequence[Payment], now: datetime) -> dict[str, int]:
    """The plan's limits for the month that holds `now`; rounded up, so that nobody misses what a second rounded away.

    `upgrades` are payments for changes of plan, of which those count that happened within that month.
    """
    start, end = period_of(anchor, now)
    limits = dict(PLANS[plan_id].limits)
    for payment in upgrades:
        if payment.prorated_at is None or not start <= payment.prorated_at <= now or _is_undone(payment, plan_id):
            continue
        for metric, missing in _missing(payment, start, end).items():
            limits[metric] -= missing
    return limits


def _missing(payment: Payment, start: datetime, end: datetime) -> dict[str, int]:
    """What the larger plan would have given in the part of the month that was over."""
    assert payment.prorated_at is not None
    assert payment.previous_plan_id is not None
    gone, whole = (payment.prorated_at - start) // _SECOND, (end - start) // _SECOND
    larger, smaller = PLANS[payment.plan_id].limits, PLANS[payment.previous_plan_id].limits
    return {metric: max(0, limit - smaller[metric]) * gone // whole for metric, limit in larger.items()}


def _is_undone(payment: Payment, plan_id: str) -> bool:
    """Whether the plan is smaller again than the one that was changed to."""
    return PLANS[payment.plan_id].month > PLANS[plan_id].month
