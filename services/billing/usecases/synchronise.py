"""Bringing our books in line with Stripe's: fetch an object as it is now, and record the difference.

Callers hold the lock on the Stripe customer before anything is fetched: whoever fetches last then also writes last.
A repeat finds no difference and does nothing, so the order and number of webhooks do not matter.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.billing import repository
from services.billing.catalogue import CYCLE_OF, PLANS, plan_of_lookup_key
from services.billing.models import Checkout, Payment, Subscription
from services.billing.stripe_gateway import StripeGateway
from services.billing.stripe_objects import InvoiceSnapshot, SessionSnapshot, SubscriptionSnapshot, id_of, moment
from services.billing.usecases import one_time, payments, subscriptions
from services.billing.usecases.checkout import give_up_checkout
from services.billing.usecases.entitlements import publish_entitlement
from services.billing.usecases.invoices import keep_invoice
from services.billing.usecases.trials import note_trial_start
from shared.database import WriteSession
from shared.ids import new_id
from shared.logging import get_logger
from shared.money import share_of

log = get_logger(__name__)

PAID_SESSION = frozenset({"paid", "no_payment_required"})
KIND_OF_REASON = {
    "subscription_create": "subscription_create",
    "subscription_cycle": "subscription_cycle",
    "subscription_update": "subscription_update",
}


class ParentMissing(Exception):
    """Stripe told of something whose parent we do not know yet; trying again later will find it."""


@dataclass(frozen=True, slots=True)
class Books:
    """What a synchronisation works with: the transaction, Stripe, the moment, and the grace of past-due plans."""

    session: WriteSession
    gateway: StripeGateway
    now: datetime
    grace: timedelta


async def sync_session(books: Books, session_id: str) -> None:
    snapshot = await books.gateway.get_session(session_id)
    checkout = await _checkout_of(books, snapshot)
    if checkout is None:
        return
    if snapshot.status == "expired":
        await give_up_checkout(books.session, checkout.id, "expired", now=books.now)
    if snapshot.status != "complete":
        return
    if checkout.status != "complete":
        checkout.status, checkout.updated_at = "complete", books.now
    if checkout.interval is None:
        await one_time.follow_session(books, checkout, snapshot)
        return
    await _note_session(books, checkout, snapshot)
    # A complete session of ours has both; the invoice brings its subscription with it.
    await sync_invoice(books, id_of(snapshot.invoice) or "")


async def _checkout_of(books: Books, snapshot: SessionSnapshot) -> Checkout | None:
    """Our checkout of a session. The event may be faster than our own note of the session's id."""
    known = await repository.find_checkout_by_session(books.session, snapshot.id)
    if known is not None:
        return known
    named = (snapshot.metadata or {}).get("checkout_id")
    return await repository.find_checkout(books.session, UUID(named)) if named else None


async def _note_session(books: Books, checkout: Checkout, snapshot: SessionSnapshot) -> None:
    payment = await repository.get_payment_of_checkout(books.session, checkout.id)
    payment.stripe_session_id = snapshot.id
    payment.stripe_customer_id = id_of(snapshot.customer)
    payment.stripe_subscription_id = id_of(snapshot.subscription)
    if snapshot.payment_status not in PAID_SESSION and payment.status == "PENDING":
        await payments.move(books.session, payment, "PROCESSING", "the session is complete and unpaid", now=books.now)


async def sync_subscription(books: Books, stripe_id: str) -> Subscription | None:
    """Our row of a subscription as Stripe has it now, or None for one that is not ours."""
    snapshot = await books.gateway.get_subscription(stripe_id)
    row = await repository.find_subscription_by_stripe_id(books.session, stripe_id)
    if row is None:
        row = await _adopt(books, snapshot)
    else:
        await subscriptions.apply_snapshot(books.session, row, snapshot, now=books.now)
    if row is not None:
        subscriptions.note_plans(row, await _planned(books, snapshot))
        await publish_entitlement(books.session, row.user_id, now=books.now, grace=books.grace)
    return row


async def sync_schedule(books: Books, schedule_id: str) -> None:
    """What was planned for a subscription, or planned no more."""
    subscription_id = (await books.gateway.get_schedule(schedule_id)).subscription_id
    if subscription_id:
        await sync_subscription(books, subscription_id)


async def _planned(books: Books, snapshot: SubscriptionSnapshot) -> subscriptions.Planned | None:
    schedule_id = id_of(snapshot.schedule)
    if schedule_id is None:
        return None
    following = (await books.gateway.get_schedule(schedule_id)).following
    plan = plan_of_lookup_key(following.lookup_key) if following else None
    return subscriptions.Planned(schedule_id, plan, moment(following.start_date) if following else None)


async def _adopt(books: Books, snapshot: SubscriptionSnapshot) -> Subscription | None:
    user_id = await _owner_of(books, snapshot)
    plan = plan_of_lookup_key(snapshot.lookup_key)
    if user_id is None or plan is None:
        log.warning("foreign_subscription", subscription=snapshot.id)
        return None
    row = await subscriptions.adopt(books.session, snapshot, user_id, plan, now=books.now)
    if row.status == "trialing":
        await note_trial_start(books.session, row)
    return row


async def _owner_of(books: Books, snapshot: SubscriptionSnapshot) -> UUID | None:
    customer = await repository.find_customer_by_stripe_id(books.session, id_of(snapshot.customer) or "")
    return customer.user_id if customer else None


async def sync_invoice(books: Books, invoice_id: str) -> None:
    """Record what became of an invoice. Its payment is found by its id, by its checkout, or made."""
    snapshot = await books.gateway.get_invoice(invoice_id)
    if snapshot.subscription_id is None:
        await _sync_named_checkout(books, snapshot.metadata)
        return
    subscription = await sync_subscription(books, snapshot.subscription_id)
    if subscription is None or snapshot.status in {"draft", None}:
        return
    if snapshot.was_never_asked_for and await repository.find_payment_by_invoice(books.session, invoice_id) is None:
        return
    payment = await _payment_of(books, snapshot, subscription)
    _note_invoice(payment, snapshot)
    await _note_upgrade(books, payment, snapshot)
    await keep_invoice(books.session, snapshot, payment.user_id, payment, now=books.now)
    await _apply_invoice(books, payment, snapshot, subscription)


async def _payment_of(books: Books, snapshot: InvoiceSnapshot, subscription: Subscription) -> Payment:
    known = await repository.find_payment_by_invoice(books.session, snapshot.id)
    if known is None and snapshot.billing_reason == "subscription_create" and subscription.checkout_id:
        known = await repository.get_payment_of_checkout(books.session, subscription.checkout_id)
    if known is not None:
        return await repository.lock_payment(books.session, known.id)
    payment = _new_payment(snapshot, subscription, await _plan_paid_for(books, snapshot, subscription), books.now)
    books.session.add(payment)
    await books.session.flush()
    return payment


async def sync_intent(books: Books, intent_id: str) -> None:
    """A payment under way: its invoice says what it is for."""
    invoices = await books.gateway.list_invoice_ids_of(intent_id)
    for invoice_id in invoices:
        await sync_invoice(books, invoice_id)
    if not invoices:
        await _sync_named_checkout(books, (await books.gateway.get_intent(intent_id)).metadata)


async def _sync_named_checkout(books: Books, metadata: dict[str, str] | None) -> None:
    """What belongs to no subscription was bought once: its session says what became of it."""
    named = (metadata or {}).get("checkout_id")
    checkout = await repository.find_checkout(books.session, UUID(named)) if named else None
    if checkout and checkout.stripe_session_id:
        await sync_session(books, checkout.stripe_session_id)


async def _plan_paid_for(books: Books, snapshot: InvoiceSnapshot, subscription: Subscription) -> tuple[str, str]:
    """Plan and interval that the invoice names, since the subscription may have changed again; else what it has now."""
    name = await repository.find_lookup_key(books.session, snapshot.price_id or "")
    return plan_of_lookup_key(name or "") or (subscription.plan_id, subscription.interval)


def _new_payment(
    snapshot: InvoiceSnapshot, subscription: Subscription, plan: tuple[str, str], now: datetime
) -> Payment:
    plan_id, interval = plan
    return Payment(
        id=new_id(),
        user_id=subscription.user_id,
        kind=KIND_OF_REASON.get(snapshot.billing_reason or "", "subscription_update"),
        plan_id=plan_id,
        plan_name=PLANS[plan_id].name,
        status="PENDING",
        amount=max(0, snapshot.amount_due),
        amount_refunded=0,
        attempts=0,
        billing_cycle=CYCLE_OF[interval],
        created_at=now,
        updated_at=now,
        version=1,
    )


def _note_invoice(payment: Payment, snapshot: InvoiceSnapshot) -> None:
    """Amounts and names come from the invoice until money has moved; afterwards they are history."""
    payment.stripe_invoice_id = snapshot.id
    payment.stripe_customer_id = id_of(snapshot.customer)
    payment.stripe_subscription_id = snapshot.subscription_id
    payment.hosted_url = snapshot.hosted_invoice_url if snapshot.status == "open" else None
    payment.stripe_payment_intent_id = snapshot.payment_intent_id or payment.stripe_payment_intent_id
    if payment.paid_at is None:
        payment.amount, payment.currency = max(0, snapshot.amount_due), snapshot.currency
        payment.amount_tax, payment.amount_discount = _tax_in(payment.amount, snapshot), snapshot.discount


def _tax_in(amount: int, snapshot: InvoiceSnapshot) -> int:
    """The tax in what is charged: less than the invoice's where a credit of the customer's pays for a part of it."""
    return share_of(snapshot.tax, min(amount, snapshot.total), snapshot.total) if snapshot.total > 0 else 0


async def _note_upgrade(books: Books, payment: Payment, snapshot: InvoiceSnapshot) -> None:
    """Which plan the payment led away from and when, since that decides the limits of the period it happened in."""
    change = snapshot.proration
    key = await repository.find_lookup_key(books.session, change.price_id) if change else None
    previous = plan_of_lookup_key(key or "")
    if change and previous and payment.prorated_at is None:
        payment.previous_plan_id, payment.prorated_at = previous[0], change.at
        await publish_entitlement(books.session, payment.user_id, now=books.now, grace=books.grace)


async def _apply_invoice(books: Books, payment: Payment, snapshot: InvoiceSnapshot, subscription: Subscription) -> None:
    reason = f"invoice {snapshot.id} is {snapshot.status}"
    if snapshot.status == "paid":
        paid_at = moment(snapshot.status_transitions.paid_at) or books.now
        fresh = await payments.record_paid(
            books.session, payment, subscription.id, reason, paid_at=paid_at, now=books.now
        )
        if fresh and payment.kind == "subscription_cycle":
            await subscriptions.tell_renewed(books.session, subscription)
        if fresh and payment.amount and _is_for_nothing(payment, subscription):
            await _refuse_money(books, payment, subscription)
    elif snapshot.status in {"void", "uncollectible"}:
        target = "CANCELLED" if snapshot.status == "void" else "FAILED"
        await payments.move(books.session, payment, target, reason, now=books.now)
    else:
        await _apply_attempt(books, payment, snapshot, reason)


async def _apply_attempt(books: Books, payment: Payment, snapshot: InvoiceSnapshot, reason: str) -> None:
    """What became of trying an open invoice. A bank debit takes days, so only the intent says whether it failed."""
    intent = await books.gateway.get_intent(snapshot.payment_intent_id) if snapshot.payment_intent_id else None
    if intent and intent.status == "processing":
        await payments.move(books.session, payment, "PROCESSING", reason, now=books.now)
        return
    failure = payments.Failure(
        snapshot.attempt_count,
        moment(snapshot.next_payment_attempt),
        intent.failure_code if intent else None,
        needs_action=intent is not None and intent.needs_action,
    )
    await payments.record_failed(books.session, payment, failure, reason, now=books.now)


def _is_for_nothing(payment: Payment, subscription: Subscription) -> bool:
    """Money for a subscription that could not become live, since the user had one, or that was over before it came."""
    if subscription.raw_status == subscriptions.SURPLUS:
        return True
    ended, paid = subscription.ended_at, payment.paid_at
    return ended is not None and paid is not None and paid > ended


async def _refuse_money(books: Books, payment: Payment, subscription: Subscription) -> None:
    """It goes back, whole."""
    from services.billing.usecases.refunds import order_refund  # noqa: PLC0415 - the two know each other

    log.error("paid_for_nothing", payment=str(payment.id), subscription=str(subscription.id))
    await order_refund(books.session, payment, payment.refundable, "duplicate", cancel_subscription=True, now=books.now)
