"""What billing publishes: money that moved, subscriptions, and what a user is entitled to. Money in minor units."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.contracts.metrics import OpenMetric
from shared.events.event import Event

BILLING = ("billing",)


class UserStripeCustomerBound(Event, type="user.stripe_customer_bound", publishers=BILLING, subject="user/{user_id}"):
    """A Stripe customer now belongs to this user, once and for all."""

    user_id: UUID
    stripe_customer_id: str


class PaymentPaid(Event, type="payment.paid", publishers=BILLING, subject="payment/{payment_id}"):
    """Money arrived. `amount_net` is without tax and after discounts: the base of commissions."""

    payment_id: UUID
    user_id: UUID
    kind: str
    plan_id: str
    subscription_id: UUID | None = None
    amount_total: int
    amount_tax: int
    amount_discount: int
    amount_net: int
    currency: str
    is_first_payment: bool
    paid_at: AwareDatetime


class PaymentFailed(Event, type="payment.failed", publishers=BILLING, subject="payment/{payment_id}"):
    """An attempt to collect failed; `is_final` means that no further attempt is planned."""

    payment_id: UUID
    user_id: UUID
    attempt: int
    next_attempt_at: AwareDatetime | None
    code: str | None
    is_final: bool


class _RefundFact(Event):
    payment_id: UUID
    refund_id: UUID
    user_id: UUID
    refund_amount: int
    amount_refunded_total: int
    amount_net_remaining: int
    currency: str
    full: bool


class PaymentRefunded(_RefundFact, type="payment.refunded", publishers=BILLING, subject="payment/{payment_id}"):
    """Money went back. The totals are what counts; a single refund's amount is for display."""


class PaymentRefundReverted(
    _RefundFact, type="payment.refund_reverted", publishers=BILLING, subject="payment/{payment_id}"
):
    """A refund failed after all, so the money is ours again."""


class _DisputeFact(Event):
    payment_id: UUID
    dispute_id: UUID
    user_id: UUID
    amount: int
    currency: str
    state: str
    outcome: str | None = None


class PaymentDisputed(_DisputeFact, type="payment.disputed", publishers=BILLING, subject="payment/{payment_id}"):
    """The cardholder disputes the payment; what hangs on it is frozen until the dispute closes."""


class PaymentDisputeClosed(
    _DisputeFact, type="payment.dispute_closed", publishers=BILLING, subject="payment/{payment_id}"
):
    """The dispute ended: `outcome` is won, lost, prevented or inquiry_closed."""


class SubscriptionFact(Event):
    """What every event of a subscription tells: how it stands after the change."""

    subscription_id: UUID
    user_id: UUID
    plan_id: str
    previous_plan_id: str | None = None
    status: str
    period_start: AwareDatetime
    period_end: AwareDatetime
    cancel_at: AwareDatetime | None = None


SUBSCRIPTION = "subscription/{subscription_id}"


class SubscriptionActivated(SubscriptionFact, type="subscription.activated", publishers=BILLING, subject=SUBSCRIPTION):
    """The first payment arrived, or a trial began."""


class SubscriptionRenewed(SubscriptionFact, type="subscription.renewed", publishers=BILLING, subject=SUBSCRIPTION):
    """A further period was paid."""


class SubscriptionPlanChanged(
    SubscriptionFact, type="subscription.plan_changed", publishers=BILLING, subject=SUBSCRIPTION
):
    """The subscription is now for another plan."""


class SubscriptionPastDue(SubscriptionFact, type="subscription.past_due", publishers=BILLING, subject=SUBSCRIPTION):
    """A renewal failed; access lasts through the grace period."""


class SubscriptionRecovered(SubscriptionFact, type="subscription.recovered", publishers=BILLING, subject=SUBSCRIPTION):
    """A past-due subscription was paid after all."""


class SubscriptionPaused(SubscriptionFact, type="subscription.paused", publishers=BILLING, subject=SUBSCRIPTION):
    """Collection and access are on hold."""


class SubscriptionResumed(SubscriptionFact, type="subscription.resumed", publishers=BILLING, subject=SUBSCRIPTION):
    """A paused subscription goes on."""


class SubscriptionCancelScheduled(
    SubscriptionFact, type="subscription.cancel_scheduled", publishers=BILLING, subject=SUBSCRIPTION
):
    """The subscription will end at `cancel_at`."""


class SubscriptionCancelUndone(
    SubscriptionFact, type="subscription.cancel_undone", publishers=BILLING, subject=SUBSCRIPTION
):
    """A scheduled end was taken back."""


class SubscriptionTrialEnding(
    SubscriptionFact, type="subscription.trial_ending", publishers=BILLING, subject=SUBSCRIPTION
):
    """The trial ends soon."""


class SubscriptionEnded(SubscriptionFact, type="subscription.ended", publishers=BILLING, subject=SUBSCRIPTION):
    """The subscription is over for good."""


SUBSCRIPTION_FACTS = (
    SubscriptionActivated,
    SubscriptionRenewed,
    SubscriptionPlanChanged,
    SubscriptionPastDue,
    SubscriptionRecovered,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionCancelScheduled,
    SubscriptionCancelUndone,
    SubscriptionTrialEnding,
    SubscriptionEnded,
)


class EntitlementGrant(BaseModel):
    """Something bought once, on top of the plan, until it expires."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    grant_id: UUID
    metric: OpenMetric
    amount: int
    expires_at: AwareDatetime | None


class EntitlementChanged(Event, type="entitlement.changed", publishers=BILLING, subject="entitlement/{user_id}"):
    """What a user may do from now on: the whole snapshot, the newest version wins.

    `weight` is the share in the fair queue; `period_anchor` is where monthly periods are counted from.
    """

    user_id: UUID
    version: int
    plan_id: str
    status: str
    limits: dict[str, int]
    grants: list[EntitlementGrant] = []
    features: dict[str, bool] = {}
    max_running: int
    weight: int
    period_anchor: AwareDatetime
    valid_until: AwareDatetime | None = None


class BillingDriftFound(Event, type="billing.drift_found", publishers=BILLING, subject="drift/{object_id}"):
    """Reconciling found our books and Stripe's to differ; `healed` tells whether ours were put right."""

    kind: str
    object_id: str
    ours: str | None
    stripe: str | None
    healed: bool
