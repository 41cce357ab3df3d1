"""What the signed-in user has used."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime

from services.accounts import usecases
from services.accounts.endpoints.dependencies import InAccounts
from services.accounts.schemas import UsageDay, UsageHistory, UsageRead, minutes
from services.accounts.usecases.usage import Usage
from shared.contracts.metrics import Metric
from shared.database import Read
from shared.identity import Caller
from shared.routing import Router, user

CURRENT = "current"
Period = Annotated[str, Query(pattern=r"^(current|20[0-9]{2}-(0[1-9]|1[0-2]))$")]

router = Router(tags=["usage"])


@router.get("/v1/me/usage", access=user(scope="usage:read"))
async def read_usage(caller: Caller, accounts: InAccounts, session: Read, period: Period = CURRENT) -> UsageRead:
    if period == CURRENT:
        return _read(await usecases.read_current_usage(session, caller.user_id, now=accounts.now))
    month = datetime.strptime(period, "%Y-%m").replace(tzinfo=UTC)
    return _read(await usecases.read_usage_of_month(session, caller.user_id, month))


def _read(usage: Usage) -> UsageRead:
    counts = dict(usage.counts)
    return UsageRead(
        period_start=usage.period_start,
        period_end=usage.period_end,
        export_minutes_used=minutes(counts.pop("export_seconds_used")),
        voiceover_minutes_used=minutes(counts.pop("voiceover_seconds_used")),
        last_reset_at=usage.period_start,
        limits=usage.limits,
        **counts,
    )


@router.get("/v1/me/usage/history", access=user(scope="usage:read"))
async def read_history(
    metric: Metric,
    caller: Caller,
    accounts: InAccounts,
    session: Read,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> UsageHistory:
    """By day (UTC) over the last thirty days, or `from` up to and without `to`."""
    end = until or accounts.now + timedelta(seconds=1)
    days = await usecases.read_history(session, caller.user_id, metric, since or end - timedelta(days=30), end)
    return UsageHistory(metric=metric, items=[UsageDay(day=day, quantity=quantity) for day, quantity in days])
