"""HTTP bodies of the affiliates. Amounts are minor units, rates basis points."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.community.requests import Clean

Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"), Clean]
CommissionStatus = Literal["PENDING", "HELD", "AVAILABLE", "PAID", "REVERSED"]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ApplyBody(Body):
    payout_email: Email | None = None


class PayoutBody(Body):
    """`payout_email` says from now on where the money goes."""

    payout_email: Email | None = None


class RateBody(Body):
    commission_rate_bp: int = Field(ge=0, le=10_000, strict=True)


class BalanceRead(Read):
    currency: str
    pending: int
    available: int
    paid: int


class AffiliateRead(Read):
    id: UUID
    code: str
    link: str
    status: str
    commission_rate_bp: int
    payout_email: str | None
    balance: BalanceRead
    clicks: int
    referrals: int
    created_at: datetime


class AffiliateRow(Read):
    """An affiliate as staff see it in a list."""

    id: UUID
    user_id: UUID
    code: str = Field(validation_alias="affiliate_code")
    status: str
    commission_rate_bp: int = Field(validation_alias="commission_rate")
    payout_email: str | None
    created_at: datetime
    updated_at: datetime


class ReferralRead(Read):
    """A user who was brought; their id is nobody's business but theirs."""

    id: UUID
    status: str
    method: str
    rule: str
    registered_at: datetime
    converted_at: datetime | None
    commission: int


class EntryRead(Read):
    id: UUID
    delta: int
    balance_after: int
    cause: str
    created_at: datetime


class CommissionRead(Read):
    id: UUID
    payment_id: UUID
    referral_id: UUID
    amount: int
    currency: str
    rate_bp: int
    status: CommissionStatus
    available_at: datetime
    created_at: datetime
    entries: list[EntryRead]


class PayoutRead(Read):
    id: UUID
    amount: int
    currency: str
    status: str
    created_at: datetime
    paid_at: datetime | None


class PayoutRow(PayoutRead):
    """As staff see it: whose it is, by what the money can be traced, and why it did not arrive."""

    affiliate_id: UUID
    entry_count: int
    reference: str | None
    failure: str | None


class PaidBody(Body):
    """`reference` is what the bank or the payout service calls the transfer."""

    reference: Annotated[str, Field(min_length=1, max_length=200), Clean] | None = None


class FailedBody(Body):
    reason: Annotated[str, Field(min_length=1, max_length=500), Clean]


class PayoutRun(BaseModel):
    """What a run gathered; `complete` is false when there may be more, so run again."""

    payouts: list[PayoutRow]
    complete: bool
