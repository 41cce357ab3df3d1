"""Every SELECT about grants."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from services.billing.models import Dispute
from services.billing.models_grants import Grant
from shared.database import ReadSession, WriteSession

BATCH = 200


async def list_grants(session: ReadSession, user_id: UUID) -> Sequence[Grant]:
    """All that a user was ever granted, what expires first coming first."""
    query = select(Grant).where(Grant.user_id == user_id)
    return (await session.scalars(query.order_by(Grant.expires_at.asc().nulls_last(), Grant.id))).all()


async def list_grants_of(session: ReadSession, payment_id: UUID) -> Sequence[Grant]:
    query = select(Grant).where(Grant.payment_id == payment_id)
    return (await session.scalars(query.order_by(Grant.metric))).all()


async def lock_due_grants(session: WriteSession, now: datetime) -> Sequence[Grant]:
    """Some of those that have run out without anybody having been told."""
    due = select(Grant).where(Grant.expires_at <= now, Grant.expired_at.is_(None)).order_by(Grant.expires_at)
    return (await session.scalars(due.limit(BATCH).with_for_update(skip_locked=True))).all()


async def sum_lost_disputes(session: ReadSession, payment_id: UUID) -> int:
    """What the bank took back of a payment for good."""
    total = select(func.coalesce(func.sum(Dispute.amount), 0))
    return int(await session.scalar(total.where(Dispute.payment_id == payment_id, Dispute.outcome == "lost")) or 0)
