"""Monthly periods counted from an anchor: pure arithmetic in UTC."""

import calendar
from datetime import UTC, datetime


def period_of(anchor: datetime, now: datetime) -> tuple[datetime, datetime]:
    """The month that holds `now`, from its start up to and without its end.

    Boundaries lie n months after the anchor, each clamped to its month's last day: from the 31st they go to the 28th
    (or 29th) of February and back to the 31st of March. They are counted from the anchor, never from each other,
    so that a short month leaves no trace.
    """
    anchor, now = anchor.astimezone(UTC), now.astimezone(UTC)
    months = (now.year - anchor.year) * 12 + now.month - anchor.month
    if months_after(anchor, months) > now:
        months -= 1
    return months_after(anchor, months), months_after(anchor, months + 1)


def months_after(anchor: datetime, months: int) -> datetime:
    """The anchor moved by whole months, on the month's last day where its day does not exist."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)
