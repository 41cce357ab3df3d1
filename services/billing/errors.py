"""Billing's typed problems, and what Stripe may answer."""

from shared.errors import BadRequest, Conflict, Forbidden, NotFound, Problem, Unavailable, Unprocessable


class UnknownPlan(Unprocessable):
    code, title = "unknown_plan", "There is no such plan for sale"


class UnknownPack(Unprocessable):
    code, title = "unknown_pack", "There is no such pack for sale"


class AmountTooSmall(Unprocessable):
    code, title = "amount_too_small", "After the discount too little is left to be charged"


class UserNotFound(NotFound):
    code, title = "user_not_found", "There is no such user"


class GrantInThePast(Unprocessable):
    code, title = "grant_in_the_past", "A grant must expire in the future"


class ForeignReturnUrl(Unprocessable):
    code, title = "foreign_return_url", "Return addresses must lie on this site"


class UnknownPromotionCode(Unprocessable):
    code, title = "unknown_promotion_code", "This promotion code is not valid"


class AccountDisabled(Forbidden):
    code, title = "account_disabled", "This account is disabled"


class AlreadySubscribed(Conflict):
    code, title = "already_subscribed", "There is a live subscription already"


class NoSubscription(Conflict):
    code, title = "no_subscription", "There is no live subscription"


class SubscriptionNotActive(Conflict):
    code, title = "subscription_not_active", "The subscription is not in order, so it cannot be changed"


class SubscriptionEnding(Conflict):
    code, title = "subscription_ending", "The subscription is about to end"


class AlreadyOnPlan(Conflict):
    code, title = "already_on_plan", "The subscription is for this plan already"


class ChangeInProgress(Conflict):
    code, title = "change_in_progress", "Another change of this subscription is under way"


class PlanChangeRefused(Conflict):
    code, title = "plan_change_refused", "Stripe refused the change"


class PaymentDeclined(Problem):
    """`code` is payment_action_required when the bank wants the customer to confirm, as in the billing portal."""

    status, code, title = 402, "payment_declined", "The payment was declined, and nothing was changed"


class PaymentNotFound(NotFound):
    code, title = "payment_not_found", "There is no such payment"


class CheckoutNotFound(NotFound):
    code, title = "checkout_not_found", "There is no such checkout"


class WebhookEventNotFound(NotFound):
    code, title = "webhook_event_not_found", "There is no such webhook event"


class PaymentNotRefundable(Conflict):
    code, title = "payment_not_refundable", "This payment cannot be refunded"


class RefundAbovePaid(Conflict):
    code, title = "refund_above_paid", "More would go back than was paid"


class RefundNotPayable(Unprocessable):
    code, title = "refund_not_payable", "The currency has no such amount"


class RefundFailed(Conflict):
    code, title = "refund_failed", "Stripe refused the refund"


class BadWebhook(BadRequest):
    code, title = "bad_webhook", "This is not a webhook of ours"


class PaymentProviderUnavailable(Unavailable):
    code, title = "payment_provider_unavailable", "The payment provider does not answer, please try again"


class PaymentProviderResting(PaymentProviderUnavailable):
    """It failed again and again; this time it was not asked."""


class StripeRefused(Conflict):
    """Stripe understood and said no. Told as it is where no use case knows better.

    `reason` is Stripe's error code, and `param` the parameter it did not like; both may be empty.
    """

    code, title = "provider_refused", "The payment provider refused this"

    def __init__(self, message: str, *, code: str, param: str = "") -> None:
        super().__init__(message)
        self.reason, self.param = code, param


class ObjectMissing(StripeRefused):
    """Stripe has no such object, or has it no more."""


class StripeDeclined(StripeRefused):
    """The bank said no to a payment that the call needed."""
