"""Billing's typed problems, and what Stripe may answer."""

from shared.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable, Unprocessable


class UnknownPlan(Unprocessable):
    code, title = "unknown_plan", "There is no such plan for sale"


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


class RefundFailed(Conflict):
    code, title = "refund_failed", "Stripe refused the refund"


class BadWebhook(BadRequest):
    code, title = "bad_webhook", "This is not a webhook of ours"


class PaymentProviderUnavailable(Unavailable):
    code, title = "payment_provider_unavailable", "The payment provider does not answer, please try again"


class StripeRefused(Exception):
    """Stripe understood and said no. `code` is Stripe's error code."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class ObjectMissing(StripeRefused):
    """Stripe has no such object, or has it no more."""
