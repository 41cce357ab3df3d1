"""What Stripe sends us: an event says that something changed, and is only a hint where to look."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.billing.stripe_objects import StripeModel


class NotifiedObject(BaseModel):
    """The part of an event's object that helps to find our own row; everything else is fetched."""

    model_config = ConfigDict(extra="ignore")

    id: str | None = None
    object: str | None = None
    customer: Any = None
    payment_intent: Any = None


class _EventData(BaseModel):
    object: NotifiedObject


class EventSnapshot(StripeModel):
    """A snapshot event, as delivered. Thin events and everything else do not validate."""

    type: str = Field(min_length=1, max_length=200)
    object: str = Field(pattern="^event$")
    livemode: bool
    created: int
    data: _EventData
