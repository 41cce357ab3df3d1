"""What users were granted on top of their plan."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.billing.models import Base, Dated


class Grant(Dated, Base):
    """So much of a metric, once, until it expires: bought with a payment or given by staff, never by a renewal.

    `taken_back` is what refunds and a lost dispute took of it, computed anew from the payment each time; while
    `is_frozen` the bank holds the money. How much of it was used is known where it is used, by `id`.
    """

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("amount > 0 AND taken_back BETWEEN 0 AND amount", "amounts"),
        CheckConstraint("(payment_id IS NULL) <> (granted_by IS NULL)", "source"),
        UniqueConstraint("payment_id", "metric", name="grants_payment_key"),
        Index("grants_due_idx", "expires_at", postgresql_where=text("expired_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(index=True)
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id", ondelete="CASCADE"))
    pack_id: Mapped[str | None]
    metric: Mapped[str]
    amount: Mapped[int]
    taken_back: Mapped[int] = mapped_column(server_default=text("0"))
    is_frozen: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    expires_at: Mapped[datetime | None]
    expired_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    granted_by: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))

    @property
    def left(self) -> int:
        """What the user still holds of it, used or not."""
        return self.amount - self.taken_back

    def is_live(self, now: datetime) -> bool:
        in_time = self.expires_at is None or self.expires_at > now
        return in_time and not self.is_frozen and self.left > 0
