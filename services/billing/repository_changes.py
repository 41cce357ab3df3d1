"""The SELECTs about changes of plan, trials, and attempts to collect."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from services.billing.models import LIVE_SUBSCRIPTION, Payment, PaymentAttempt, PlanChange, Subscription, Trial
from services.billing.repository import BATCH
from shared.database import ReadSession, WriteSession


async def lock_live_subscription(session: WriteSession, user_id: UUID) -> Subscription | None:
    live = select(Subscription).where(Subscription.user_id == user_id, Subscription.status.in_(LIVE_SUBSCRIPTION))
    return await session.scalar(live.with_for_update())


async def lock_plan_change(session: WriteSession, change_id: UUID) -> PlanChange:
    """One that is known to exist; raises NoResultFound otherwise."""
    return (await session.scalars(select(PlanChange).where(PlanChange.id == change_id).with_for_update())).one()


async def find_requested_change(session: ReadSession, user_id: UUID, key: str) -> PlanChange | None:
    return await session.scalar(select(PlanChange).where(PlanChange.user_id == user_id, PlanChange.request_key == key))


async def find_change_under_way(session: ReadSession, subscription_id: UUID) -> PlanChange | None:
    return await session.scalar(
        select(PlanChange).where(PlanChange.subscription_id == subscription_id, PlanChange.status == "begun")
    )


async def find_offer(
    session: ReadSession, row: Subscription, plan_id: str, interval: str, *, since: datetime
) -> PlanChange | None:
    """The newest offer of this change that was made after `since` for the subscription as it is now."""
    offered = select(PlanChange).where(
        PlanChange.subscription_id == row.id,
        PlanChange.subscription_version == row.version,
        PlanChange.status == "offered",
        PlanChange.plan_id == plan_id,
        PlanChange.interval == interval,
        PlanChange.proration_date >= max(since, row.period_start),
    )
    return await session.scalar(offered.order_by(PlanChange.created_at.desc()).limit(1))


async def forget_offers(session: WriteSession, before: datetime) -> None:
    """Nobody can take them up any more."""
    await session.execute(delete(PlanChange).where(PlanChange.status == "offered", PlanChange.created_at < before))


async def list_stuck_changes(session: ReadSession, before: datetime) -> Sequence[PlanChange]:
    stuck = select(PlanChange).where(PlanChange.status == "begun", PlanChange.updated_at < before)
    return (await session.scalars(stuck.limit(BATCH))).all()


async def get_subscription(session: ReadSession, subscription_id: UUID) -> Subscription:
    """One that is known to exist; raises NoResultFound otherwise."""
    return (await session.scalars(select(Subscription).where(Subscription.id == subscription_id))).one()


async def list_upgrades(session: ReadSession, stripe_subscription_id: str, *, since: datetime) -> Sequence[Payment]:
    """The payments for changes to a larger plan that took effect within a period."""
    changes = select(Payment).where(
        Payment.stripe_subscription_id == stripe_subscription_id,
        Payment.previous_plan_id.is_not(None),
        Payment.prorated_at >= since,
    )
    return (await session.scalars(changes.order_by(Payment.prorated_at))).all()


async def list_users_upgraded_since(session: ReadSession, moment: datetime) -> Sequence[UUID]:
    """Those whose limits may still be those of a period in which they changed to a larger plan."""
    users = select(Payment.user_id).where(Payment.previous_plan_id.is_not(None), Payment.prorated_at >= moment)
    return (await session.scalars(users.distinct())).all()


async def list_attempts(session: ReadSession, payment_id: UUID) -> Sequence[PaymentAttempt]:
    attempts = select(PaymentAttempt).where(PaymentAttempt.payment_id == payment_id)
    return (await session.scalars(attempts.order_by(PaymentAttempt.number))).all()


async def find_trial_of_checkout(session: ReadSession, checkout_id: UUID) -> Trial | None:
    return await session.scalar(select(Trial).where(Trial.checkout_id == checkout_id))


async def list_used_up_pauses(session: ReadSession, now: datetime) -> Sequence[Subscription]:
    """Paused subscriptions whose paid time is over and which Stripe still calls active."""
    used_up = select(Subscription).where(Subscription.status == "active", Subscription.paused_from <= now)
    return (await session.scalars(used_up.limit(BATCH))).all()


async def list_unannounced_trial_ends(
    session: ReadSession, now: datetime, *, before: datetime
) -> Sequence[Subscription]:
    """Trials that end soon of which nobody was told yet, as when Stripe's webhook was lost."""
    ending = select(Subscription).where(
        Subscription.status == "trialing",
        Subscription.trial_end > now,
        Subscription.trial_end <= before,
        Subscription.trial_warned_for.is_distinct_from(Subscription.trial_end),
    )
    return (await session.scalars(ending.limit(BATCH))).all()
