"""What a user has bought, as billing tells it: shown to staff who are asked for help."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.accounts.models import UserPlan, UserSubscription
from shared.contracts.billing import SubscriptionFact
from shared.database import ReadSession, WriteSession

FREE = "free"
_TOLD = ("subscription_id", "user_id", "plan_id", "status", "period_start", "period_end", "cancel_at")


@dataclass(frozen=True, slots=True)
class Bought:
    """`subscription` is the one whose period began last; None for who never subscribed."""

    plan_id: str
    subscription: UserSubscription | None


async def project_subscription(session: WriteSession, fact: SubscriptionFact, version: int, *, now: datetime) -> None:
    """Keep how a subscription stands; an older fact that arrives late changes nothing."""
    row = {**{name: getattr(fact, name) for name in _TOLD}, "version": version, "updated_at": now}
    known = insert(UserSubscription).values(row)
    await session.execute(
        known.on_conflict_do_update(
            index_elements=["subscription_id"], set_=row, where=UserSubscription.version <= version
        )
    )


async def read_bought(session: ReadSession, user_id: UUID) -> Bought:
    plan = await session.get(UserPlan, user_id)
    newest = select(UserSubscription).where(UserSubscription.user_id == user_id)
    newest = newest.order_by(UserSubscription.period_start.desc(), UserSubscription.subscription_id.desc()).limit(1)
    return Bought(plan.plan_id if plan else FREE, await session.scalar(newest))
