"""What people do in Stripe's dashboard and what Stripe warns of, beside the life of payments and subscriptions."""

from prometheus_client import Counter

from services.billing import repository
from services.billing.errors import ObjectMissing
from services.billing.usecases.synchronise import Books, sync_invoice, sync_subscription
from shared.logging import get_logger

WARNINGS = Counter("billing_stripe_warnings", "What Stripe warned of and somebody should look at.", ("kind",))

log = get_logger(__name__)


async def sync_customer(books: Books, stripe_customer_id: str) -> None:
    """A customer who was deleted at Stripe can buy nothing more under that id: their subscriptions have ended, all that
    was kept stays, and the next purchase makes a new one."""
    if not (await books.gateway.get_customer(stripe_customer_id)).deleted:
        return
    customer = await repository.find_customer_by_stripe_id(books.session, stripe_customer_id)
    if customer is None:
        return
    subscription = await repository.find_live_subscription(books.session, customer.user_id)
    if subscription and subscription.stripe_subscription_id:
        await sync_subscription(books, subscription.stripe_subscription_id)
    customer.stripe_customer_id, customer.updated_at = None, books.now


async def sync_price(books: Books, stripe_price_id: str) -> None:
    """A price that was archived, or whose lookup key went to another, is sold no more; subscribers keep it."""
    known = await repository.find_price_by_stripe_id(books.session, stripe_price_id)
    if known is None or known.retired_at is not None:
        return
    try:
        snapshot = await books.gateway.get_price(stripe_price_id)
        is_sold = snapshot.active and snapshot.lookup_key == known.lookup_key
    except ObjectMissing:
        is_sold = False
    if not is_sold:
        known.retired_at = books.now


async def note_fraud_warning(books: Books, warning_id: str) -> None:
    """A card network thinks that a payment is fraud, and a dispute may follow. To give the money back before it does
    is for people to decide, so they are told; nothing of the buyer's changes."""
    warning = await books.gateway.get_fraud_warning(warning_id)
    if warning.actionable:
        WARNINGS.labels("early_fraud_warning").inc()
        log.error("payment_may_be_fraud", warning=warning.id, intent=warning.payment_intent)


async def note_unfinalised(books: Books, invoice_id: str) -> None:
    """Stripe could not make an invoice final, for want of an address most often, so it asks nobody for the money."""
    reason = (await books.gateway.get_invoice(invoice_id)).finalization_error
    if reason is not None:
        WARNINGS.labels("invoice_not_finalised").inc()
        log.error("invoice_not_finalised", invoice=invoice_id, reason=reason)
    await sync_invoice(books, invoice_id)
