"""The events billing publishes; each is told by a use case of this package."""

from shared.contracts import billing as events
from shared.contracts.common import MailRequested, UserErased

PUBLISHED = (
    events.BillingDriftFound,
    events.EntitlementChanged,
    events.PaymentDisputeClosed,
    events.PaymentDisputed,
    events.PaymentFailed,
    events.PaymentPaid,
    events.PaymentRefundReverted,
    events.PaymentRefunded,
    events.SubscriptionActivated,
    events.SubscriptionCancelScheduled,
    events.SubscriptionCancelUndone,
    events.SubscriptionEnded,
    events.SubscriptionPastDue,
    events.SubscriptionPaused,
    events.SubscriptionPlanChanged,
    events.SubscriptionRecovered,
    events.SubscriptionRenewed,
    events.SubscriptionResumed,
    events.SubscriptionTrialEnding,
    events.UserStripeCustomerBound,
    MailRequested,
    UserErased,
)
