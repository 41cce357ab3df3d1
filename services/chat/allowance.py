"""How many messages a user may send: by billing's snapshot, or the free plan until billing has spoken."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chat.models import Entitlement
from shared.periods import period_of

METRIC = "chat_messages"
FREE_PLAN = "free"
FREE_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limit of the current period, and the period's stamps."""

    limit: int
    period_start: datetime
    period_end: datetime


def free_entitlement(user_id: UUID, anchor: datetime, now: datetime) -> Entitlement:
    """The free plan, counted from `anchor`. Version 0 gives way to anything that billing says."""
    return Entitlement(
        user_id=user_id,
        version=0,
        plan_id=FREE_PLAN,
        limits={METRIC: FREE_MESSAGES},
        grants=[],
        period_anchor=anchor,
        updated_at=now,
        access_version=0,
    )


def allowance_of(entitlement: Entitlement, now: datetime) -> Allowance:
    """The plan's limit at `now`, plus every grant that has not run out."""
    start, end = period_of(entitlement.period_anchor, now)
    granted = [grant for grant in entitlement.grants if grant["metric"] == METRIC and _holds(grant, now)]
    limit = int(entitlement.limits.get(METRIC, 0)) + sum(int(grant["amount"]) for grant in granted)
    return Allowance(limit, start, end)


def _holds(grant: dict[str, Any], now: datetime) -> bool:
    return grant["expires_at"] is None or datetime.fromisoformat(grant["expires_at"]) > now
