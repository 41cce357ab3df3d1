"""What users look back at: their invoices, and what happened to their money."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.billing.models import Base, Dated


class Invoice(Dated, Base):
    """An invoice as of its last fetch, so that listing them asks nobody. `lines` hold what each amount is for."""

    __tablename__ = "invoices"
    __table_args__ = (Index("invoices_user_id_issued_at_idx", "user_id", "issued_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    stripe_invoice_id: Mapped[str] = mapped_column(unique=True)
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id", ondelete="SET NULL"), index=True)
    number: Mapped[str | None]
    status: Mapped[str]
    billing_reason: Mapped[str | None]
    currency: Mapped[str]
    total: Mapped[int]
    amount_due: Mapped[int]
    amount_paid: Mapped[int]
    amount_tax: Mapped[int]
    amount_discount: Mapped[int]
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    hosted_url: Mapped[str | None]
    pdf_url: Mapped[str | None]
    issued_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]


class TimelineEntry(Base):
    """A fact about a user's money, kept when it was told. The fact itself is the key: told twice, it is kept once."""

    __tablename__ = "timeline_entries"
    __table_args__ = (
        UniqueConstraint("kind", "subject", "sequence", name="timeline_entries_fact_key"),
        Index("timeline_entries_user_id_at_idx", "user_id", "at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    at: Mapped[datetime]
    kind: Mapped[str]
    subject: Mapped[str]
    sequence: Mapped[int]
    payment_id: Mapped[UUID | None]
    amount: Mapped[int | None]
    currency: Mapped[str | None]
    details: Mapped[dict[str, Any]]
