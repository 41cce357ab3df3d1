"""Monthly periods counted from an anchor. Only for telling a user where they stand: the owners of work stamp usage."""

import calendar
from datetime import datetime


def month_after(anchor: datetime, months: int) -> datetime:
    """The anchor's day and time so many months later; a day the month lacks becomes its last one."""
    total = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(total, 12)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def period_of(anchor: datetime, now: datetime) -> tuple[datetime, datetime]:
    """The period that `now` lies in: from its start, up to and without its end."""
    months = (now.year - anchor.year) * 12 + now.month - anchor.month
    if month_after(anchor, months) > now:
        months -= 1
    return month_after(anchor, months), month_after(anchor, months + 1)
