"""How many messages a user may send: by billing's snapshot, or the free plan until billing has spoken."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chat.models import Entitlement
from shared.periods import period_of

METRIC = "chat_messages"
FREE_PLAN = "free"
FREE_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class Allowance:
    """The plan's own limit in the current period, to which grants add, and the period's stamps."""

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
    start, end = period_of(entitlement.period_anchor, now)
    return Allowance(int(entitlement.limits.get(METRIC, 0)), start, end)
