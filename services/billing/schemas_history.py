"""HTTP bodies of invoices, the timeline, packs and grants. Amounts are integer minor units."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.metrics import Metric


class InvoiceLineRead(BaseModel):
    """What an amount is for. `proration`: it settles a change within a period, a negative one gives money back."""

    description: str | None
    amount: int
    period_start: datetime | None
    period_end: datetime | None
    proration: bool


class InvoiceRead(BaseModel):
    """`pdf_url` and `hosted_url` lead to Stripe; they are null until the invoice is final."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    stripe_invoice_id: str
    payment_id: UUID | None
    number: str | None
    status: str
    billing_reason: str | None
    currency: str
    total: int
    amount_due: int
    amount_paid: int
    amount_tax: int
    amount_discount: int
    lines: list[InvoiceLineRead]
    hosted_url: str | None
    pdf_url: str | None
    issued_at: datetime
    paid_at: datetime | None


class TimelineItem(BaseModel):
    """One fact. `summary` says it in a sentence; `lines` are what a payment was asked for; `details` are its ids."""

    id: UUID
    at: datetime
    kind: str
    summary: str
    payment_id: UUID | None
    amount: int | None
    currency: str | None
    lines: list[InvoiceLineRead]
    invoice_number: str | None
    pdf_url: str | None
    details: dict[str, Any]


class PackRead(BaseModel):
    """`grants` is how much of each metric it adds, to be used within `months` after the payment."""

    pack_id: str
    name: str
    price: int
    currency: str
    grants: dict[str, int]
    months: int


class PackList(BaseModel):
    items: list[PackRead]
    next_cursor: None = None


class GrantCreate(BaseModel):
    """Without `expires_at` the grant stays until it is used up."""

    model_config = ConfigDict(extra="forbid")

    metric: Metric
    amount: int = Field(ge=1, le=10**9, strict=True)
    expires_at: AwareDatetime | None = None
    reason: str = Field(min_length=1, max_length=500)


class GrantRead(BaseModel):
    """`taken_back` went with a refund or a lost dispute; a frozen grant waits for a dispute's end."""

    model_config = ConfigDict(from_attributes=True)

    grant_id: UUID = Field(validation_alias="id")
    user_id: UUID
    metric: str
    amount: int
    taken_back: int
    is_frozen: bool
    expires_at: datetime | None
    pack_id: str | None
    payment_id: UUID | None
    reason: str | None
    granted_by: UUID | None
    created_at: datetime
