"""Every SELECT about invoices and the timeline."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from services.billing.models import Payment
from services.billing.models_history import Invoice, TimelineEntry
from shared.database import ReadSession
from shared.pagination import after


async def find_invoice_by_stripe_id(session: ReadSession, stripe_invoice_id: str) -> Invoice | None:
    return await session.scalar(select(Invoice).where(Invoice.stripe_invoice_id == stripe_invoice_id))


async def list_invoices(
    session: ReadSession, user_id: UUID, *, cursor: Sequence[Any] | None, limit: int
) -> Sequence[Invoice]:
    """Newest first, one more than `limit` when there is more."""
    query: Select[Any] = select(Invoice).where(Invoice.user_id == user_id)
    query = after(query, (Invoice.issued_at, Invoice.id), cursor, descending=True)
    return (await session.scalars(query.limit(limit + 1))).all()


async def list_timeline(
    session: ReadSession, user_id: UUID, *, cursor: Sequence[Any] | None, limit: int
) -> Sequence[TimelineEntry]:
    """Newest first, one more than `limit` when there is more."""
    query: Select[Any] = select(TimelineEntry).where(TimelineEntry.user_id == user_id)
    query = after(query, (TimelineEntry.at, TimelineEntry.id), cursor, descending=True)
    return (await session.scalars(query.limit(limit + 1))).all()


async def list_payments_by_id(session: ReadSession, ids: Sequence[UUID]) -> Sequence[Payment]:
    return (await session.scalars(select(Payment).where(Payment.id.in_(ids)))).all()


async def list_invoices_of_payments(session: ReadSession, payment_ids: Sequence[UUID]) -> Sequence[Invoice]:
    return (await session.scalars(select(Invoice).where(Invoice.payment_id.in_(payment_ids)))).all()
