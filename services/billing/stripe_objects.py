"""What we read from Stripe's objects: small models at the border, so that nothing inside knows the SDK's shapes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class StripeModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str


def moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def id_of(value: Any) -> str | None:
    """The id of something that may be expanded, an id, or absent."""
    if isinstance(value, dict):
        return str(value["id"])
    return None if value is None else str(value)


class _Totals(BaseModel):
    amount_discount: int = 0
    amount_tax: int = 0


class SessionSnapshot(StripeModel):
    """A checkout session: `status` open, complete or expired; `payment_status` paid, unpaid, no_payment_required."""

    status: str
    payment_status: str
    url: str | None = None
    expires_at: int
    customer: Any = None
    subscription: Any = None
    invoice: Any = None
    payment_intent: Any = None
    amount_total: int | None = None
    currency: str | None = None
    total_details: _Totals | None = None
    metadata: dict[str, str] | None = None

    @property
    def tax(self) -> int:
        return self.total_details.amount_tax if self.total_details else 0

    @property
    def discount(self) -> int:
        return self.total_details.amount_discount if self.total_details else 0


class _Price(BaseModel):
    id: str
    lookup_key: str | None = None


class _Item(BaseModel):
    id: str
    price: _Price
    current_period_start: int
    current_period_end: int


class _Items(BaseModel):
    data: list[_Item]


class _PauseCollection(BaseModel):
    behavior: str


class _PhaseItem(BaseModel):
    price: Any
    quantity: int | None = None


class _Phase(BaseModel):
    """`items` name their prices, or hold them where they were asked for."""

    start_date: int
    end_date: int
    items: list[_PhaseItem]

    @property
    def lookup_key(self) -> str:
        price = self.items[0].price
        return (price.get("lookup_key") or "") if isinstance(price, dict) else ""


class _CurrentPhase(BaseModel):
    start_date: int


class ScheduleSnapshot(StripeModel):
    """A subscription schedule: what a subscription changes to at the start of each phase."""

    status: str
    subscription: Any = None
    released_subscription: str | None = None
    current_phase: _CurrentPhase | None = None
    phases: list[_Phase]

    @property
    def is_running(self) -> bool:
        return self.status in {"not_started", "active"}

    @property
    def subscription_id(self) -> str | None:
        return id_of(self.subscription) or self.released_subscription

    @property
    def following(self) -> _Phase | None:
        """The phase after the current one."""
        start = self.current_phase.start_date if self.current_phase else 0
        return next((phase for phase in self.phases if phase.start_date > start), None) if start else None


class SubscriptionSnapshot(StripeModel):
    """A subscription; its period stands on its first item."""

    status: str
    customer: Any
    start_date: int
    items: _Items
    cancel_at: int | None = None
    cancel_at_period_end: bool = False
    canceled_at: int | None = None
    ended_at: int | None = None
    trial_end: int | None = None
    latest_invoice: Any = None
    pause_collection: _PauseCollection | None = None
    schedule: Any = None
    metadata: dict[str, str] = {}

    @property
    def period_start(self) -> datetime:
        return datetime.fromtimestamp(self.items.data[0].current_period_start, UTC)

    @property
    def period_end(self) -> datetime:
        return datetime.fromtimestamp(self.items.data[0].current_period_end, UTC)

    @property
    def ends_at(self) -> datetime | None:
        """When it was told to end, either at a moment or with its period."""
        return moment(self.cancel_at) or (self.period_end if self.cancel_at_period_end else None)

    @property
    def paused_from(self) -> datetime | None:
        """When a pause of ours takes effect: at the end of what is paid. Its start is kept in the metadata."""
        stamp = self.metadata.get("paused_from", "")
        return moment(int(stamp)) if self.pause_collection and stamp.isdecimal() else None

    @property
    def lookup_key(self) -> str:
        return self.items.data[0].price.lookup_key or ""


class _SubscriptionDetails(BaseModel):
    subscription: Any = None


class _Parent(BaseModel):
    subscription_details: _SubscriptionDetails | None = None


class _InvoicePaymentSource(BaseModel):
    payment_intent: Any = None


class _InvoicePayment(BaseModel):
    payment: _InvoicePaymentSource


class _InvoicePayments(BaseModel):
    data: list[_InvoicePayment] = []


class _Tax(BaseModel):
    amount: int


class _Discount(BaseModel):
    amount: int


class _PriceDetails(BaseModel):
    price: Any = None


class _Pricing(BaseModel):
    price_details: _PriceDetails | None = None


class _LinePeriod(BaseModel):
    start: int
    end: int


class _Line(BaseModel):
    amount: int
    description: str | None = None
    period: _LinePeriod
    pricing: _Pricing | None = None
    parent: dict[str, Any] | None = None

    @property
    def price_id(self) -> str | None:
        details = self.pricing.price_details if self.pricing else None
        return id_of(details.price) if details else None

    @property
    def is_proration(self) -> bool:
        """Whether it settles a change within a period; the word stands in whichever kind of parent the line has."""
        return any(bool(details.get("proration")) for details in (self.parent or {}).values() if type(details) is dict)


class _Lines(BaseModel):
    data: list[_Line] = []


class PreviewLine(BaseModel):
    """A line of an invoice that was not made: positive what is to pay, negative what is given back."""

    amount: int
    description: str | None = None


class _PreviewLines(BaseModel):
    data: list[PreviewLine] = []


class PreviewSnapshot(StripeModel):
    amount_due: int
    currency: str
    lines: _PreviewLines = _PreviewLines()


class _StatusTransitions(BaseModel):
    finalized_at: int | None = None
    paid_at: int | None = None


@dataclass(frozen=True, slots=True)
class Proration:
    """A change within a period: the price that is given back, and the moment of the change."""

    price_id: str
    at: datetime


class _FinalizationError(BaseModel):
    code: str | None = None
    message: str | None = None


class InvoiceSnapshot(StripeModel):
    """An invoice. `status` is draft, open, paid, void or uncollectible; amounts in minor units."""

    status: str | None
    customer: Any
    billing_reason: str | None = None
    currency: str
    created: int
    total: int
    amount_due: int
    amount_paid: int
    number: str | None = None
    hosted_invoice_url: str | None = None
    invoice_pdf: str | None = None
    metadata: dict[str, str] | None = None
    attempt_count: int = 0
    next_payment_attempt: int | None = None
    parent: _Parent | None = None
    payments: _InvoicePayments | None = None
    total_taxes: list[_Tax] | None = None
    total_discount_amounts: list[_Discount] | None = None
    lines: _Lines = _Lines()
    status_transitions: _StatusTransitions = _StatusTransitions()
    last_finalization_error: _FinalizationError | None = None

    @property
    def finalization_error(self) -> str | None:
        """Why Stripe could not make the invoice final, in its words."""
        error = self.last_finalization_error
        return (error.code or error.message or "unknown") if error else None

    @property
    def subscription_id(self) -> str | None:
        details = self.parent.subscription_details if self.parent else None
        return id_of(details.subscription) if details else None

    @property
    def was_never_asked_for(self) -> bool:
        """Whether it was withdrawn before anybody tried to collect it, as in a pause."""
        return self.status == "void" and self.attempt_count == 0

    @property
    def price_id(self) -> str | None:
        """The price that was paid for: of the largest line, since a proration also gives the old price back."""
        largest = max(self.lines.data, key=lambda line: line.amount, default=None)
        return largest.price_id if largest else None

    @property
    def proration(self) -> Proration | None:
        """What the invoice changed from, when it charges a change of price."""
        returned = min(self.lines.data, key=lambda line: line.amount, default=None)
        if returned is None or returned.amount >= 0 or returned.price_id in {None, self.price_id}:
            return None
        return Proration(returned.price_id or "", datetime.fromtimestamp(returned.period.start, UTC))

    @property
    def payment_intent_id(self) -> str | None:
        intents = [id_of(entry.payment.payment_intent) for entry in (self.payments.data if self.payments else [])]
        return next((intent for intent in reversed(intents) if intent), None)

    @property
    def tax(self) -> int:
        return sum(entry.amount for entry in self.total_taxes or [])

    @property
    def discount(self) -> int:
        return sum(entry.amount for entry in self.total_discount_amounts or [])


class _PaymentError(BaseModel):
    code: str | None = None
    decline_code: str | None = None


class IntentSnapshot(StripeModel):
    """A payment intent: the attempt to collect. `processing` is an attempt whose outcome is still ahead."""

    status: str
    last_payment_error: _PaymentError | None = None
    metadata: dict[str, str] = {}

    @property
    def failure_code(self) -> str:
        """Why the attempt failed, in Stripe's words."""
        error = self.last_payment_error
        return (error and (error.decline_code or error.code)) or "payment_failed"

    @property
    def needs_action(self) -> bool:
        """Whether the bank wants the customer to confirm, which only they can do."""
        return self.status == "requires_action" or self.failure_code == "authentication_required"


class RefundSnapshot(StripeModel):
    """A refund. `status` is pending, requires_action, succeeded, failed or canceled."""

    status: str
    amount: int
    payment_intent: Any = None
    reason: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] | None = None


class DisputeSnapshot(StripeModel):
    status: str
    amount: int
    currency: str
    payment_intent: Any = None


class CustomerSnapshot(StripeModel):
    """Stripe keeps the id of a customer who was deleted, and little else."""

    deleted: bool = False


class PriceSnapshot(StripeModel):
    active: bool
    lookup_key: str | None = None


class FraudWarningSnapshot(StripeModel):
    """A card network's suspicion; `actionable` until the payment is refunded or disputed."""

    actionable: bool
    payment_intent: str | None = None


class EndpointSnapshot(StripeModel):
    """Where Stripe sends events. `enabled_events` may be `*` alone, for all of them."""

    url: str
    status: str
    enabled_events: list[str]

    @property
    def is_enabled(self) -> bool:
        return self.status == "enabled"
