"""Billing's HTTP bodies. Amounts are integer minor units."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import AliasPath, BaseModel, ConfigDict, Field, model_validator

from services.billing.catalogue import BillingCycle, Interval

PaymentStatus = Literal["PENDING", "PROCESSING", "PAID", "FAILED", "REFUNDED", "PARTIALLY_REFUNDED", "CANCELLED"]
WebhookStatus = Literal["RECEIVED", "PROCESSING", "PROCESSED", "IGNORED", "RETRY", "DEAD"]
# The characters Stripe allows in one.
PROMOTION_CODE = "^[A-Za-z0-9-]+$"
Url = Field(default=None, max_length=2000)


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class CheckoutCreate(Closed):
    """Either a plan with its interval, or a pack, which is bought once."""

    plan_id: str | None = Field(default=None, min_length=1, max_length=50)
    interval: Interval | None = None
    pack_id: str | None = Field(
        default=None, min_length=1, max_length=50, description="A pack of `GET /v1/billing/packs`, instead of a plan."
    )
    promotion_code: str | None = Field(default=None, min_length=1, max_length=100, pattern=PROMOTION_CODE)
    success_url: str | None = Url
    cancel_url: str | None = Url

    @model_validator(mode="after")
    def buy_one_thing(self) -> Self:
        if self.pack_id is None and (self.plan_id is None or self.interval is None):
            raise ValueError("Name a plan_id with its interval, or a pack_id.")
        if self.pack_id is not None and (self.plan_id is not None or self.interval is not None):
            raise ValueError("A pack is bought without plan_id and interval.")
        return self

    @property
    def product_id(self) -> str:
        return self.pack_id or self.plan_id or ""


class CheckoutSessionCreate(Closed):
    """The body of the published path `/api/checkout/create-session`."""

    plan_id: str = Field(min_length=1, max_length=50)
    billing_cycle: BillingCycle = "monthly"


class CheckoutRead(BaseModel):
    checkout_id: UUID
    session_id: str
    url: str
    expires_at: datetime


class CheckoutSessionRead(BaseModel):
    session_id: str
    url: str


class CheckoutStatus(BaseModel):
    """`plan_id` is the plan or the pack that was ordered."""

    checkout_id: UUID
    plan_id: str
    status: Literal["open", "complete", "expired"]
    payment_status: Literal["paid", "unpaid"]


class PlanRead(BaseModel):
    plan_id: str
    name: str
    prices: dict[str, int]
    currency: str
    limits: dict[str, int]
    features: dict[str, bool]
    max_running: int


class PlanList(BaseModel):
    items: list[PlanRead]
    next_cursor: None = None


class EntitlementRead(BaseModel):
    user_id: UUID
    version: int
    plan_id: str
    status: str
    limits: dict[str, int]
    grants: list[dict[str, Any]]
    features: dict[str, bool]
    max_running: int
    weight: int
    period_anchor: datetime
    valid_until: datetime | None


class PaymentRead(FromRow):
    """`hosted_url` is where an open payment can be confirmed or paid with another card."""

    id: UUID
    user_id: UUID
    kind: str
    plan_id: str
    plan_name: str
    status: PaymentStatus
    amount: int
    amount_refunded: int
    currency: str
    billing_cycle: str | None
    stripe_customer_id: str | None
    stripe_session_id: str | None
    stripe_subscription_id: str | None
    stripe_payment_intent_id: str | None
    dispute_state: str
    hosted_url: str | None
    metadata: dict[str, Any] | None = Field(validation_alias=AliasPath("metadata_"))
    paid_at: datetime | None
    created_at: datetime
    updated_at: datetime


class PaymentAttemptRead(FromRow):
    """A failed attempt. `next_attempt_at` is when Stripe tries again by itself; null when it does not."""

    number: int
    outcome: Literal["failed", "action_required"]
    code: str | None
    next_attempt_at: datetime | None
    at: datetime


class PaymentAttemptList(BaseModel):
    items: list[PaymentAttemptRead]
    next_cursor: None = None


class RefundCreate(Closed):
    amount: int | None = Field(default=None, gt=0, le=10**12)
    reason: str = Field(default="requested_by_customer", min_length=1, max_length=200)
    cancel_subscription: bool = True


class RefundDetail(FromRow):
    id: UUID
    stripe_refund_id: str | None
    amount: int
    status: str
    reason: str


class RefundRead(PaymentRead):
    """The payment as it is now, with the refund that was made."""

    refund: RefundDetail


class WebhookEventRead(FromRow):
    id: UUID
    stripe_event_id: str
    type: str = Field(validation_alias="event_type")
    status: WebhookStatus
    attempts: int
    last_error: str | None
    received_at: datetime


class ReconcileRequest(Closed):
    """By default nothing is changed: the answer says what would be."""

    heal: bool = False
    limit: int = Field(default=100, ge=1, le=1000)


class DriftRead(FromRow):
    kind: str
    object_id: str
    ours: str | None
    stripe: str | None
    healed: bool


class ReconcileRead(BaseModel):
    compared: int
    drifts: list[DriftRead]


class ViolationRead(FromRow):
    invariant: str
    object_id: str


class InvariantsRead(BaseModel):
    """`violations` is empty when the books are sound."""

    violations: list[ViolationRead]
