"""Billing periods count from an anchor, so that 31 January, 28 February, 31 March is one subscription."""

import calendar
from datetime import datetime, timedelta

from deploy.stripe_twin.account import Body, moment, seconds


def add_months(start: datetime, months: int) -> datetime:
    """The same day `months` later, or the month's last day where that day does not exist."""
    year, month = divmod(start.month - 1 + months, 12)
    year += start.year
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day)


def period_end(anchor: int, recurring: Body, after: int) -> int:
    """The first boundary after `after` (a timestamp), counted in whole intervals from the anchor."""
    count = 0
    while (boundary := _boundary(anchor, recurring, count)) <= after:
        count += 1
    return boundary


def _boundary(anchor: int, recurring: Body, count: int) -> int:
    intervals, unit = count * recurring["interval_count"], recurring["interval"]
    start = moment(anchor)
    if unit in ("month", "year"):
        return seconds(add_months(start, intervals * (12 if unit == "year" else 1)))
    return seconds(start + timedelta(days=intervals * (7 if unit == "week" else 1)))
