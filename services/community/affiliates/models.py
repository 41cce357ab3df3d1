"""The affiliates' tables. Amounts are integer minor units, rates basis points; ledger entries are never changed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.community.models import Base, Dated, Versioned, one_of

PENDING, APPROVED, REJECTED, SUSPENDED = "pending", "approved", "rejected", "suspended"
AFFILIATE_STATUSES = (PENDING, APPROVED, REJECTED, SUSPENDED)
ATTRIBUTED, REFUSED = "attributed", "rejected"
METHODS = ("code", "link")
PAYOUT_STATUSES = ("pending", "paid", "failed")


class Affiliate(Dated, Versioned, Base):
    __tablename__ = "affiliates"
    __table_args__ = (
        CheckConstraint(one_of("status", AFFILIATE_STATUSES), "status"),
        CheckConstraint("commission_rate BETWEEN 0 AND 10000", "commission_rate"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(unique=True)
    affiliate_code: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(index=True)
    commission_rate: Mapped[int] = mapped_column(Integer)
    payout_email: Mapped[str | None]
    # Suspended because the account is disabled, and not by a decision about the affiliate: ends with the cause.
    suspended_with_account: Mapped[bool] = mapped_column(server_default=text("false"), default=False)


class RatePeriod(Base):
    """The rate from a moment on; 0 while suspended. A payment earns at the rate of the time it was paid."""

    __tablename__ = "affiliate_rates"
    __table_args__ = (CheckConstraint("rate_bp BETWEEN 0 AND 10000", "rate_bp"),)

    affiliate_id: Mapped[UUID] = mapped_column(ForeignKey("affiliates.id", ondelete="CASCADE"), primary_key=True)
    effective_from: Mapped[datetime] = mapped_column(primary_key=True)
    rate_bp: Mapped[int] = mapped_column(Integer)


class Click(Base):
    """A visit through a link. The visitor is a keyed hash that changes daily."""

    __tablename__ = "affiliate_clicks"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    affiliate_id: Mapped[UUID] = mapped_column(ForeignKey("affiliates.id", ondelete="CASCADE"), index=True)
    visitor: Mapped[bytes] = mapped_column(LargeBinary)
    clicked_at: Mapped[datetime] = mapped_column(index=True)


class Referral(Dated, Versioned, Base):
    """Who brought a user, decided once at registration; `commission` is the sum of the ledger for this user."""

    __tablename__ = "affiliate_referrals"
    __table_args__ = (
        CheckConstraint(one_of("status", (ATTRIBUTED, REFUSED)), "status"),
        CheckConstraint(one_of("method", METHODS), "method"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    affiliate_id: Mapped[UUID] = mapped_column(ForeignKey("affiliates.id", ondelete="CASCADE"), index=True)
    referred_user_id: Mapped[UUID] = mapped_column(unique=True)
    status: Mapped[str]
    method: Mapped[str]
    rule: Mapped[str]
    click_id: Mapped[UUID | None]
    registered_at: Mapped[datetime]
    converted_at: Mapped[datetime | None]
    commission: Mapped[int] = mapped_column(server_default=text("0"), default=0)


class PaymentFact(Base):
    """A payment as far as billing's events have told it, in whatever order they came.

    `refund_version` is the sequence of the newest refund event; without one nothing is known to be refunded.
    """

    __tablename__ = "payment_facts"

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(index=True)
    currency: Mapped[str]
    paid_at: Mapped[datetime | None]
    amount_net: Mapped[int | None]
    amount_net_remaining: Mapped[int | None]
    refund_version: Mapped[int | None]


class DisputeFact(Base):
    """A dispute's newest state. Open while `outcome` is null."""

    __tablename__ = "dispute_facts"

    payment_id: Mapped[UUID] = mapped_column(
        ForeignKey("payment_facts.payment_id", ondelete="CASCADE"), primary_key=True
    )
    dispute_id: Mapped[UUID] = mapped_column(primary_key=True)
    outcome: Mapped[str | None]
    version: Mapped[int]


class Commission(Dated, Versioned, Base):
    """What one payment earns; `amount` is the sum of its entries and `rate_bp` the rate when it was paid."""

    __tablename__ = "commissions"
    __table_args__ = (
        UniqueConstraint("payment_id", "affiliate_id"),
        Index("commissions_affiliate_idx", "affiliate_id", text("created_at DESC"), text("id DESC")),
        Index("commissions_unapproved_idx", "available_at", postgresql_where=text("approved_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    affiliate_id: Mapped[UUID] = mapped_column(ForeignKey("affiliates.id", ondelete="RESTRICT"))
    referral_id: Mapped[UUID] = mapped_column(ForeignKey("affiliate_referrals.id", ondelete="RESTRICT"), index=True)
    payment_id: Mapped[UUID]
    rate_bp: Mapped[int] = mapped_column(Integer)
    currency: Mapped[str]
    amount: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    held: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    available_at: Mapped[datetime]
    approved_at: Mapped[datetime | None]


class Entry(Base):
    """One movement of the ledger, by one cause. A trigger refuses to change or delete it."""

    __tablename__ = "commission_entries"
    __table_args__ = (UniqueConstraint("commission_id", "cause_event_id"), CheckConstraint("delta <> 0", "delta"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    commission_id: Mapped[UUID] = mapped_column(ForeignKey("commissions.id", ondelete="RESTRICT"))
    delta: Mapped[int]
    balance_after: Mapped[int]
    cause: Mapped[str]
    cause_event_id: Mapped[UUID]
    created_at: Mapped[datetime]


class Balance(Base):
    """All that an affiliate ever earned in a currency, less what was taken back; the ledger can rebuild it."""

    __tablename__ = "affiliate_balances"

    affiliate_id: Mapped[UUID] = mapped_column(ForeignKey("affiliates.id", ondelete="RESTRICT"), primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int]


class Payout(Dated, Versioned, Base):
    __tablename__ = "payouts"
    __table_args__ = (
        CheckConstraint(one_of("status", PAYOUT_STATUSES), "status"),
        Index("payouts_status_id_idx", "status", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    affiliate_id: Mapped[UUID] = mapped_column(ForeignKey("affiliates.id", ondelete="RESTRICT"), index=True)
    amount: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str]
    paid_at: Mapped[datetime | None]
    entry_count: Mapped[int] = mapped_column(server_default=text("0"))
    reference: Mapped[str | None]
    failure: Mapped[str | None]


class PayoutEntry(Base):
    """An entry is in one payout at most."""

    __tablename__ = "payout_entries"

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("commission_entries.id", ondelete="RESTRICT"), primary_key=True)
    payout_id: Mapped[UUID] = mapped_column(ForeignKey("payouts.id", ondelete="RESTRICT"), index=True)
