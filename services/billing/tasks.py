"""Time in: finishing what was begun and never ended, and the end of grace periods."""

from datetime import timedelta

from services.billing import repository
from services.billing.errors import (
    AmountTooSmall,
    PaymentProviderUnavailable,
    RefundFailed,
    StripeRefused,
    UnknownPromotionCode,
)
from services.billing.parts import BillingParts
from services.billing.usecases import grants
from services.billing.usecases.cancellation import change_end, stop_with_account
from services.billing.usecases.checkout import close_checkout, open_session
from services.billing.usecases.entitlements import publish_entitlement
from services.billing.usecases.invariants import find_violations
from services.billing.usecases.reconcile import reconcile_some
from services.billing.usecases.refunds import carry_out_refund
from shared.logging import get_logger
from shared.runtime import Runtime

# Long enough that the request which began it is surely over.
STUCK_AFTER = timedelta(minutes=2)
RECONCILED_AT_ONCE = 200

log = get_logger(__name__)


async def finish_checkouts(runtime: Runtime) -> None:
    """Checkouts reserved by a process that died: ask Stripe again, under the same key."""
    parts: BillingParts = runtime.parts
    async with runtime.database.read() as session:
        stuck = await repository.list_stuck_checkouts(session, runtime.clock.now() - STUCK_AFTER)
    for checkout in stuck:
        try:
            await open_session(runtime.database, parts.gateway, checkout, parts.terms)
        except (StripeRefused, AmountTooSmall, UnknownPromotionCode, PaymentProviderUnavailable) as error:
            log.warning("checkout_not_finished", checkout=str(checkout.id), error=str(error))


async def finish_refunds(runtime: Runtime) -> None:
    """Refunds that were recorded and not yet confirmed: ask Stripe again, under the same key."""
    parts: BillingParts = runtime.parts
    async with runtime.database.read() as session:
        stuck = await repository.list_stuck_refunds(session, runtime.clock.now() - STUCK_AFTER)
    for refund in stuck:
        try:
            await carry_out_refund(runtime.database, parts.gateway, refund, grace=parts.grace)
        except (RefundFailed, PaymentProviderUnavailable) as error:
            log.warning("refund_not_finished", refund=str(refund.id), error=str(error))


async def follow_accounts(runtime: Runtime) -> None:
    """Who is locked out is charged no further period and keeps no open checkout; who is let in again goes on."""
    parts: BillingParts = runtime.parts
    async with runtime.database.read() as session:
        checkouts = await repository.list_checkouts_of_disabled(session)
        stopping = await repository.list_subscriptions_of_disabled(session)
        reviving = await repository.list_subscriptions_to_revive(session)
    try:
        for checkout in checkouts:
            await close_checkout(runtime.database, parts.gateway, checkout)
        for row in (*stopping, *reviving):
            await stop_with_account(runtime.database, parts.gateway, row, stop=row in stopping, grace=parts.grace)
    except (StripeRefused, PaymentProviderUnavailable) as error:
        log.warning("account_not_followed", error=str(error))


async def end_lost_subscriptions(runtime: Runtime) -> None:
    """Who took their money back through the bank is not charged again."""
    parts: BillingParts = runtime.parts
    async with runtime.database.read() as session:
        lost = await repository.list_lost_subscriptions(session)
    for row in lost:
        try:
            await change_end(runtime.database, parts.gateway, row, "now", grace=parts.grace)
        except PaymentProviderUnavailable as error:
            log.warning("lost_subscription_not_ended", subscription=str(row.id), error=str(error))


async def reconcile_books(runtime: Runtime) -> None:
    """A slice of all customers at a time, so that each is compared about once a day."""
    parts: BillingParts = runtime.parts
    try:
        await reconcile_some(
            parts.worker_database, parts.gateway, heal=True, limit=RECONCILED_AT_ONCE, grace=parts.grace
        )
    except PaymentProviderUnavailable as error:
        log.warning("books_not_reconciled", error=str(error))


async def check_invariants(runtime: Runtime) -> None:
    """Broken books are an error in the log, where alerts look, before a customer finds them."""
    async with runtime.database.read() as session:
        found = await find_violations(session, now=runtime.clock.now())
    for violation in found:
        log.error("billing_invariant_broken", invariant=violation.invariant, object=violation.object_id)


async def end_grace(runtime: Runtime) -> None:
    """Plans whose payment stayed away for longer than the grace period go back to free."""
    parts: BillingParts = runtime.parts
    now = runtime.clock.now()
    async with runtime.database.read() as session:
        overdue = await repository.list_overdue_subscriptions(session, now - parts.grace)
    for subscription in overdue:
        async with runtime.database.write() as session:
            await publish_entitlement(session, subscription.user_id, now=now, grace=parts.grace)


async def expire_grants(runtime: Runtime) -> None:
    """What has run out is no right any more, also for services that keep only what we told them."""
    parts: BillingParts = runtime.parts
    await grants.expire_grants(runtime.database, grace=parts.grace)
