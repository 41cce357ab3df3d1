"""What a user may do: the projection of billing's snapshots, or the free plan until billing has spoken."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.jobs.models import Entitlement
from shared.periods import period_of

METRICS = ("ai_generations", "studio_jobs", "images", "export_seconds", "voiceover_seconds")
FREE_PLAN = "free"
FREE_LIMITS = {
    "ai_generations": 10,
    "studio_jobs": 10,
    "chat_messages": 50,
    "export_seconds": 600,
    "voiceover_seconds": 300,
    "images": 20,
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one user may use in the current period. `limits` are the plan's own; grants add what they still hold."""

    user_id: UUID
    plan_id: str
    limits: dict[str, int]
    weight: float
    max_running: int
    period_start: datetime
    period_end: datetime


def free_entitlement(user_id: UUID, anchor: datetime, now: datetime) -> Entitlement:
    """The free plan, counted from `anchor`. Version 0 gives way to anything that billing says."""
    return Entitlement(
        user_id=user_id,
        version=0,
        plan_id=FREE_PLAN,
        status="active",
        limits=FREE_LIMITS,
        grants=[],
        features={},
        max_running=1,
        weight=1.0,
        period_anchor=anchor,
        updated_at=now,
    )


def allowance_of(entitlement: Entitlement, now: datetime) -> Allowance:
    start, end = period_of(entitlement.period_anchor, now)
    return Allowance(
        user_id=entitlement.user_id,
        plan_id=entitlement.plan_id,
        limits={metric: int(entitlement.limits.get(metric, 0)) for metric in METRICS},
        weight=entitlement.weight,
        max_running=entitlement.max_running,
        period_start=start,
        period_end=end,
    )
