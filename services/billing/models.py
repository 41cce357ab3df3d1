"""Billing's tables. Amounts are integer minor units of the row's currency."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.database import new_metadata
from shared.events.tables import attach_plumbing
from shared.money import share_of

PAYMENT_STATUSES = ("PENDING", "PROCESSING", "PAID", "FAILED", "REFUNDED", "PARTIALLY_REFUNDED", "CANCELLED")
LIVE_SUBSCRIPTION = ("incomplete", "trialing", "active", "past_due", "paused", "suspended")
OPEN_CHECKOUT = ("reserved", "open")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Base(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = {datetime: DateTime(timezone=True), str: Text, int: BigInteger, dict[str, Any]: JSONB}


class Dated:
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Customer(Dated, Base):
    """A user as billing knows them, bound to at most one Stripe customer, with the last entitlement published."""

    __tablename__ = "billing_customers"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    stripe_customer_id: Mapped[str | None] = mapped_column(unique=True)
    email: Mapped[str | None]
    registered_at: Mapped[datetime]
    entitlement_version: Mapped[int] = mapped_column(server_default=text("0"))
    entitlement: Mapped[dict[str, Any] | None]
    email_fingerprint: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    referral_id: Mapped[UUID | None]
    reconciled_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    bindings: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class Price(Base):
    """A price of ours as Stripe knows it, remembered per mode so that it is looked up once.

    One that is sold no more stays: those who pay by it are known by it.
    """

    __tablename__ = "prices"
    __table_args__ = (
        Index("prices_current_key", "lookup_key", "livemode", unique=True, postgresql_where=text("retired_at IS NULL")),
    )

    stripe_price_id: Mapped[str] = mapped_column(primary_key=True)
    lookup_key: Mapped[str]
    livemode: Mapped[bool] = mapped_column(Boolean)
    retired_at: Mapped[datetime | None]


class Checkout(Dated, Base):
    """One try to buy a plan, or the pack that `plan_id` names, without interval.

    At most one per user is reserved or open: two tabs cannot buy twice.
    """

    __tablename__ = "checkouts"
    __table_args__ = (
        CheckConstraint(_one_of("status", (*OPEN_CHECKOUT, "complete", "expired", "superseded", "failed")), "status"),
        Index(
            "checkouts_one_open_key", "user_id", unique=True, postgresql_where=text(_one_of("status", OPEN_CHECKOUT))
        ),
        UniqueConstraint("user_id", "request_key", name="checkouts_request_key"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(index=True)
    plan_id: Mapped[str]
    interval: Mapped[str | None]
    status: Mapped[str]
    stripe_session_id: Mapped[str | None] = mapped_column(unique=True)
    url: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    promotion_code: Mapped[str | None]
    success_url: Mapped[str]
    cancel_url: Mapped[str]
    request_key: Mapped[str | None]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    discount_percent: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    trial_days: Mapped[int] = mapped_column(Integer, server_default=text("0"))


class Subscription(Dated, Base):
    """A Stripe subscription as of its last fetch. At most one per user is live, by index.

    `next_plan_id` is what it changes to at `next_plan_at`; `paused_from` is when an unpaid pause takes the plan away.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        Index(
            "subscriptions_one_live_key",
            "user_id",
            unique=True,
            postgresql_where=text(_one_of("status", LIVE_SUBSCRIPTION)),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(index=True)
    plan_id: Mapped[str]
    interval: Mapped[str]
    status: Mapped[str]
    raw_status: Mapped[str]
    stripe_subscription_id: Mapped[str] = mapped_column(unique=True)
    stripe_customer_id: Mapped[str] = mapped_column(index=True)
    checkout_id: Mapped[UUID | None] = mapped_column(index=True)
    started_at: Mapped[datetime]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    cancel_at: Mapped[datetime | None]
    trial_end: Mapped[datetime | None]
    past_due_since: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    stopped_with_account: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    stripe_schedule_id: Mapped[str | None]
    next_plan_id: Mapped[str | None]
    next_interval: Mapped[str | None]
    next_plan_at: Mapped[datetime | None]
    paused_from: Mapped[datetime | None]
    trial_warned_for: Mapped[datetime | None]
    version: Mapped[int]


class Payment(Dated, Base):
    """Money asked for once: a checkout's first payment, or one invoice. Moves only as `transitions.py` allows."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(_one_of("status", PAYMENT_STATUSES), "status"),
        CheckConstraint("amount >= 0 AND amount_refunded >= 0 AND amount_refunded <= amount", "amounts"),
        Index("payments_user_id_created_at_idx", "user_id", "created_at", "id"),
        Index("payments_user_id_status_idx", "user_id", "status"),
        Index("payments_status_idx", "status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    kind: Mapped[str]
    stripe_customer_id: Mapped[str | None] = mapped_column(index=True)
    stripe_session_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_subscription_id: Mapped[str | None] = mapped_column(index=True)
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_invoice_id: Mapped[str | None] = mapped_column(unique=True)
    checkout_id: Mapped[UUID | None] = mapped_column(ForeignKey("checkouts.id"), unique=True)
    plan_id: Mapped[str]
    plan_name: Mapped[str]
    status: Mapped[str]
    amount: Mapped[int]
    amount_tax: Mapped[int] = mapped_column(server_default=text("0"))
    amount_discount: Mapped[int] = mapped_column(server_default=text("0"))
    amount_refunded: Mapped[int] = mapped_column(server_default=text("0"))
    currency: Mapped[str] = mapped_column(server_default=text("'usd'"))
    # What is bought once has no cycle: without evaluates_none() an explicit None would become the default.
    billing_cycle: Mapped[str | None] = mapped_column(Text().evaluates_none(), server_default=text("'monthly'"))
    dispute_state: Mapped[str] = mapped_column(server_default=text("'none'"))
    failure_code: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    previous_plan_id: Mapped[str | None]
    prorated_at: Mapped[datetime | None]
    hosted_url: Mapped[str | None]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    paid_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))

    @property
    def refundable(self) -> int:
        return self.amount - self.amount_refunded

    @property
    def net_remaining(self) -> int:
        """What is left of the amount without tax, after refunds, pro rata: the base of commissions."""
        net = self.amount - self.amount_tax
        return share_of(net, self.refundable, self.amount) if self.amount else 0


class PaymentAttempt(Base):
    """One try of Stripe's to collect a payment, with what came of it and when it tries again (None: never)."""

    __tablename__ = "payment_attempts"

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    outcome: Mapped[str]
    code: Mapped[str | None]
    next_attempt_at: Mapped[datetime | None]
    at: Mapped[datetime]


class PlanChange(Dated, Base):
    """A change of plan as it was offered, or as it was begun and what came of it.

    An offer keeps the moment it was calculated for, so that the charge can equal it to the cent. At most one change of
    a subscription is under way, by index; its id names the calls to Stripe.
    """

    __tablename__ = "plan_changes"
    __table_args__ = (
        CheckConstraint(_one_of("kind", ("now", "period_end", "in_trial", "stay")), "kind"),
        CheckConstraint(_one_of("status", ("offered", "begun", "done", "failed")), "status"),
        UniqueConstraint("user_id", "request_key", name="plan_changes_request_key"),
        Index("plan_changes_one_begun_key", "subscription_id", unique=True, postgresql_where=text("status = 'begun'")),
        Index("plan_changes_subscription_id_idx", "subscription_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscriptions.id", ondelete="CASCADE"))
    subscription_version: Mapped[int]
    plan_id: Mapped[str]
    interval: Mapped[str]
    kind: Mapped[str]
    status: Mapped[str]
    proration_date: Mapped[datetime]
    amount_due: Mapped[int]
    request_key: Mapped[str | None]
    error: Mapped[str | None]


class Trial(Base):
    """A person's one trial: reserved with its checkout, used up once it started. `person` is an e-mail fingerprint."""

    __tablename__ = "trials"

    person: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    checkout_id: Mapped[UUID] = mapped_column(index=True)
    started_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Refund(Dated, Base):
    """Money back. The row exists before Stripe is asked; its id is the idempotency key of that call."""

    __tablename__ = "refunds"
    __table_args__ = (UniqueConstraint("payment_id", "request_key", name="refunds_request_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id", ondelete="CASCADE"), index=True)
    stripe_refund_id: Mapped[str | None] = mapped_column(unique=True)
    amount: Mapped[int]
    status: Mapped[str]
    reason: Mapped[str]
    cancel_subscription: Mapped[bool] = mapped_column(Boolean)
    requested_by: Mapped[UUID | None]
    request_key: Mapped[str | None]
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    error: Mapped[str | None]


class Dispute(Dated, Base):
    __tablename__ = "disputes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id", ondelete="CASCADE"), index=True)
    stripe_dispute_id: Mapped[str] = mapped_column(unique=True)
    amount: Mapped[int]
    currency: Mapped[str]
    state: Mapped[str]
    outcome: Mapped[str | None]


class IgnoredTransition(Base):
    """A move that the table of allowed moves does not have: recorded, never applied, never raised."""

    __tablename__ = "ignored_transitions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    object_id: Mapped[UUID] = mapped_column(index=True)
    from_status: Mapped[str]
    to_status: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class WebhookEvent(Base):
    """A Stripe event, stored once by its id; worked off apart from its arrival."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        UniqueConstraint("stripe_event_id", "livemode", name="webhook_events_stripe_event_id_livemode_key"),
        CheckConstraint(
            _one_of("status", ("RECEIVED", "PROCESSING", "PROCESSED", "IGNORED", "RETRY", "DEAD")), "status"
        ),
        Index(
            "webhook_events_due_idx",
            "next_attempt_at",
            postgresql_where=text("status IN ('RECEIVED', 'RETRY', 'PROCESSING')"),
        ),
        Index("webhook_events_status_received_at_idx", "status", "received_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    stripe_event_id: Mapped[str]
    livemode: Mapped[bool] = mapped_column(Boolean)
    event_type: Mapped[str]
    object_id: Mapped[str | None]
    payload: Mapped[dict[str, Any]]
    status: Mapped[str]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    lease_until: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_error: Mapped[str | None]
    received_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    processed_at: Mapped[datetime | None]


attach_plumbing(Base.metadata)
