"""The HTTP bodies around a subscription. Amounts are integer minor units."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.billing.catalogue import Interval
from services.billing.schemas import Closed, FromRow
from services.billing.usecases.plan_changes import OFFER_LASTS, Offer


class SubscriptionDetail(FromRow):
    """`next_plan_id` is what the subscription changes to at `next_plan_at`; null when nothing is planned."""

    id: UUID
    plan_id: str
    status: str
    interval: str
    period_start: datetime
    period_end: datetime
    cancel_at: datetime | None
    trial_end: datetime | None
    paused_from: datetime | None
    next_plan_id: str | None
    next_interval: str | None
    next_plan_at: datetime | None
    stripe_subscription_id: str


class SubscriptionRead(BaseModel):
    subscription: SubscriptionDetail | None


class CancelRequest(Closed):
    at_period_end: bool = True


class PlanChoice(Closed):
    plan_id: str = Field(min_length=1, max_length=50)
    interval: Interval


class PortalRequest(Closed):
    return_url: str | None = Field(default=None, max_length=2000)


class PortalRead(BaseModel):
    url: str


class PreviewLineRead(FromRow):
    """Positive what is to pay, negative what is given back."""

    description: str | None
    amount: int


class ChangePreview(BaseModel):
    """`amount_due` is charged at once; what happens at the period's end is charged with the next period."""

    plan_id: str
    interval: str
    effective: Literal["now", "period_end"]
    effective_at: datetime
    amount_due: int
    currency: str
    lines: list[PreviewLineRead]
    expires_at: datetime

    @classmethod
    def of(cls, offer: Offer) -> Self:
        change = offer.change
        return cls(
            plan_id=change.plan_id,
            interval=change.interval,
            effective="period_end" if change.kind == "period_end" else "now",
            effective_at=offer.effective_at,
            amount_due=change.amount_due,
            currency=offer.currency,
            lines=[PreviewLineRead.model_validate(line) for line in offer.lines],
            expires_at=change.proration_date + OFFER_LASTS,
        )
