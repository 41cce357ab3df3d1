"""Every SELECT of billing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from services.billing.errors import CheckoutNotFound, PaymentNotFound, WebhookEventNotFound
from services.billing.models import (
    LIVE_SUBSCRIPTION,
    OPEN_CHECKOUT,
    Checkout,
    Customer,
    Dispute,
    Payment,
    Price,
    Refund,
    Subscription,
    WebhookEvent,
)
from services.billing.transitions import FREEZING_DISPUTES, REFUND_DONE, REFUND_OPEN
from shared.database import ReadSession, WriteSession
from shared.pagination import after

# How many rows a timer takes up at once; it comes back for the rest.
BATCH = 50


_FACTS = text("""
    SELECT 'payment', id::text,
           concat_ws(' ', status, amount, currency, 'refunded', amount_refunded, 'dispute', dispute_state)
      FROM payments WHERE user_id = :user_id
    UNION ALL
    SELECT 'subscription', stripe_subscription_id, concat_ws(' ', status, plan_id, interval, period_end, cancel_at)
      FROM subscriptions WHERE user_id = :user_id
    UNION ALL
    SELECT 'checkout', id::text, status FROM checkouts WHERE user_id = :user_id
    UNION ALL
    SELECT 'refund', coalesce(r.stripe_refund_id, r.id::text), concat_ws(' ', r.status, r.amount)
      FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE p.user_id = :user_id
    UNION ALL
    SELECT 'dispute', d.stripe_dispute_id, concat_ws(' ', d.state, d.amount)
      FROM disputes d JOIN payments p ON p.id = d.payment_id WHERE p.user_id = :user_id
    UNION ALL
    SELECT 'grant', g.id::text, concat_ws(' ', metric, amount, 'taken back', taken_back, is_frozen)
      FROM grants g WHERE g.user_id = :user_id
    UNION ALL
    SELECT 'invoice', stripe_invoice_id, concat_ws(' ', status, total, amount_paid, currency)
      FROM invoices WHERE user_id = :user_id
    UNION ALL
    SELECT 'entitlement', user_id::text, concat_ws(' ', entitlement->>'plan_id', entitlement->>'status')
      FROM billing_customers WHERE user_id = :user_id
""")


async def lock_name(session: WriteSession, name: str) -> None:
    """Hold the name until the transaction ends: whoever changes what hangs on a Stripe customer takes turns."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


async def find_customer(session: ReadSession, user_id: UUID) -> Customer | None:
    return await session.get(Customer, user_id)


async def lock_customer(session: WriteSession, user_id: UUID) -> Customer | None:
    return await session.get(Customer, user_id, with_for_update=True, populate_existing=True)


async def add_customer(session: WriteSession, user_id: UUID, *, now: datetime) -> Customer:
    """A new row, or the one that somebody else was faster with; locked."""
    values = {"user_id": user_id, "registered_at": now, "entitlement_version": 0, "created_at": now, "updated_at": now}
    await session.execute(insert(Customer).values(values).on_conflict_do_nothing())
    return await session.get_one(Customer, user_id, with_for_update=True)


async def find_customer_by_stripe_id(session: ReadSession, stripe_customer_id: str) -> Customer | None:
    return await session.scalar(select(Customer).where(Customer.stripe_customer_id == stripe_customer_id))


async def list_subscriptions_of_disabled(session: ReadSession) -> Sequence[Subscription]:
    """Live subscriptions that would go on although their owner is locked out."""
    owners = select(Customer.user_id).where(Customer.disabled_at.is_not(None))
    going_on = select(Subscription).where(
        Subscription.user_id.in_(owners), Subscription.status.in_(LIVE_SUBSCRIPTION), Subscription.cancel_at.is_(None)
    )
    return (await session.scalars(going_on.limit(BATCH))).all()


async def list_subscriptions_to_revive(session: ReadSession) -> Sequence[Subscription]:
    """Live subscriptions told to end because their owner was locked out, who has been let in again."""
    owners = select(Customer.user_id).where(Customer.disabled_at.is_(None))
    stopped = select(Subscription).where(
        Subscription.user_id.in_(owners),
        Subscription.status.in_(LIVE_SUBSCRIPTION),
        Subscription.stopped_with_account.is_(True),
    )
    return (await session.scalars(stopped.limit(BATCH))).all()


async def list_checkouts_of_disabled(session: ReadSession) -> Sequence[Checkout]:
    owners = select(Customer.user_id).where(Customer.disabled_at.is_not(None))
    opened = select(Checkout).where(Checkout.user_id.in_(owners), Checkout.status.in_(OPEN_CHECKOUT))
    return (await session.scalars(opened.limit(BATCH))).all()


async def list_customers_to_reconcile(session: ReadSession, *, before: datetime, limit: int) -> Sequence[Customer]:
    """Those Stripe knows who were not compared since `before`, the longest waiting first."""
    waiting = select(Customer).where(
        Customer.stripe_customer_id.is_not(None),
        or_(Customer.reconciled_at.is_(None), Customer.reconciled_at < before),
    )
    order = (Customer.reconciled_at.asc().nulls_first(), Customer.user_id)
    return (await session.scalars(waiting.order_by(*order).limit(limit))).all()


async def list_stripe_customers(session: ReadSession) -> Sequence[Customer]:
    """Everybody Stripe knows, in a steady order."""
    known = select(Customer).where(Customer.stripe_customer_id.is_not(None))
    return (await session.scalars(known.order_by(Customer.user_id))).all()


async def note_reconciled(session: WriteSession, user_id: UUID, now: datetime) -> None:
    await session.execute(update(Customer).where(Customer.user_id == user_id).values(reconciled_at=now))


async def list_intents(session: ReadSession, stripe_customer_id: str) -> Sequence[str]:
    """The payment intents of a customer's payments, oldest first."""
    query = select(Payment.stripe_payment_intent_id).where(
        Payment.stripe_customer_id == stripe_customer_id, Payment.stripe_payment_intent_id.is_not(None)
    )
    return [intent for intent in await session.scalars(query.order_by(Payment.created_at)) if intent]


async def list_facts_of(session: ReadSession, user_id: UUID) -> list[tuple[str, str, str]]:
    """What we hold true of everything of a user: its kind, its id at Stripe or ours, and its state in words."""
    return [tuple(row) for row in await session.execute(_FACTS, {"user_id": user_id})]


async def find_price(session: ReadSession, lookup_key: str, *, livemode: bool) -> str | None:
    """Stripe's id of the price that is sold under this name now."""
    wanted = select(Price.stripe_price_id).where(
        Price.lookup_key == lookup_key, Price.livemode == livemode, Price.retired_at.is_(None)
    )
    return await session.scalar(wanted)


async def count_retired_prices(session: ReadSession, lookup_key: str, *, livemode: bool) -> int:
    wanted = select(func.count()).select_from(Price)
    wanted = wanted.where(Price.lookup_key == lookup_key, Price.livemode == livemode, Price.retired_at.is_not(None))
    return await session.scalar(wanted) or 0


async def find_price_by_stripe_id(session: ReadSession, stripe_price_id: str) -> Price | None:
    return await session.get(Price, stripe_price_id)


async def find_lookup_key(session: ReadSession, stripe_price_id: str) -> str | None:
    return await session.scalar(select(Price.lookup_key).where(Price.stripe_price_id == stripe_price_id))


async def get_checkout(session: ReadSession, checkout_id: UUID) -> Checkout:
    checkout = await session.get(Checkout, checkout_id)
    if checkout is None:
        raise CheckoutNotFound
    return checkout


async def get_checkout_of(session: ReadSession, checkout_id: UUID, user_id: UUID) -> Checkout:
    checkout = await get_checkout(session, checkout_id)
    if checkout.user_id != user_id:
        raise CheckoutNotFound
    return checkout


async def find_checkout(session: ReadSession, checkout_id: UUID) -> Checkout | None:
    return await session.get(Checkout, checkout_id)


async def find_checkout_by_session(session: ReadSession, stripe_session_id: str) -> Checkout | None:
    return await session.scalar(select(Checkout).where(Checkout.stripe_session_id == stripe_session_id))


async def find_open_checkout(session: ReadSession, user_id: UUID) -> Checkout | None:
    return await session.scalar(select(Checkout).where(Checkout.user_id == user_id, Checkout.status.in_(OPEN_CHECKOUT)))


async def find_requested_checkout(session: ReadSession, user_id: UUID, key: str) -> Checkout | None:
    return await session.scalar(select(Checkout).where(Checkout.user_id == user_id, Checkout.request_key == key))


async def list_stuck_checkouts(session: ReadSession, before: datetime) -> Sequence[Checkout]:
    stuck = select(Checkout).where(Checkout.status == "reserved", Checkout.updated_at < before).limit(BATCH)
    return (await session.scalars(stuck)).all()


async def find_live_subscription(session: ReadSession, user_id: UUID) -> Subscription | None:
    """The active subscription: the one live row a user can have."""
    return await session.scalar(
        select(Subscription).where(Subscription.user_id == user_id, Subscription.status.in_(LIVE_SUBSCRIPTION))
    )


async def find_subscription_by_stripe_id(session: ReadSession, stripe_id: str) -> Subscription | None:
    return await session.scalar(select(Subscription).where(Subscription.stripe_subscription_id == stripe_id))


async def lock_subscription(session: WriteSession, subscription_id: UUID) -> Subscription:
    """One that is known to exist; raises NoResultFound otherwise."""
    query = select(Subscription).where(Subscription.id == subscription_id).with_for_update()
    return (await session.scalars(query)).one()


async def get_payment_of_checkout(session: ReadSession, checkout_id: UUID) -> Payment:
    """Every checkout has one from its first moment; raises NoResultFound otherwise."""
    return (await session.scalars(select(Payment).where(Payment.checkout_id == checkout_id))).one()


async def list_overdue_subscriptions(session: ReadSession, since_before: datetime) -> Sequence[Subscription]:
    """Past-due subscriptions whose grace has run out."""
    overdue = select(Subscription).where(Subscription.status == "past_due", Subscription.past_due_since < since_before)
    return (await session.scalars(overdue)).all()


async def get_payment(session: ReadSession, payment_id: UUID) -> Payment:
    payment = await session.get(Payment, payment_id)
    if payment is None:
        raise PaymentNotFound
    return payment


async def get_payment_of(session: ReadSession, payment_id: UUID, user_id: UUID) -> Payment:
    payment = await get_payment(session, payment_id)
    if payment.user_id != user_id:
        raise PaymentNotFound
    return payment


async def lock_payment(session: WriteSession, payment_id: UUID) -> Payment:
    payment = await session.get(Payment, payment_id, with_for_update=True, populate_existing=True)
    if payment is None:
        raise PaymentNotFound
    return payment


async def find_payment_by_invoice(session: ReadSession, stripe_invoice_id: str) -> Payment | None:
    return await session.scalar(select(Payment).where(Payment.stripe_invoice_id == stripe_invoice_id))


async def find_payment_by_intent(session: ReadSession, stripe_payment_intent_id: str) -> Payment | None:
    return await session.scalar(select(Payment).where(Payment.stripe_payment_intent_id == stripe_payment_intent_id))


async def has_paid(
    session: ReadSession, user_id: UUID, *, before: datetime | None = None, other_than: UUID | None = None
) -> bool:
    """Whether money came, so neither the beginning of a trial nor what was discounted in full counts."""
    earlier = select(Payment.id).where(Payment.user_id == user_id, Payment.paid_at.is_not(None), Payment.amount > 0)
    if before is not None:
        earlier = earlier.where(Payment.paid_at <= before, Payment.id != other_than)
    return await session.scalar(earlier.limit(1)) is not None


async def had_trial(session: ReadSession, subscription_id: UUID | None) -> bool:
    tried = select(Subscription.id).where(Subscription.id == subscription_id, Subscription.trial_end.is_not(None))
    return await session.scalar(tried) is not None


async def list_payments(
    session: ReadSession, wanted: dict[str, Any], *, cursor: Sequence[Any] | None, limit: int
) -> Sequence[Payment]:
    """Those with the wanted values (None: any), newest first, one more than `limit` when there is more."""
    query: Select[Any] = select(Payment).filter_by(**{name: value for name, value in wanted.items() if value})
    query = after(query, (Payment.created_at, Payment.id), cursor, descending=True)
    return (await session.scalars(query.limit(limit + 1))).all()


async def is_disputed(session: ReadSession, stripe_subscription_id: str) -> bool:
    """Whether the bank holds or took back money of this subscription."""
    frozen = select(Payment.id).where(
        Payment.stripe_subscription_id == stripe_subscription_id, Payment.dispute_state.in_(FREEZING_DISPUTES)
    )
    return await session.scalar(frozen.limit(1)) is not None


async def list_lost_subscriptions(session: ReadSession) -> Sequence[Subscription]:
    """Live subscriptions whose money the bank took back for good."""
    lost = select(Payment.stripe_subscription_id).where(Payment.dispute_state == "lost")
    live = select(Subscription).where(
        Subscription.stripe_subscription_id.in_(lost), Subscription.status.in_(LIVE_SUBSCRIPTION)
    )
    return (await session.scalars(live.limit(BATCH))).all()


async def get_refund(session: ReadSession, refund_id: UUID) -> Refund:
    """One that is known to exist; raises NoResultFound otherwise."""
    return (await session.scalars(select(Refund).where(Refund.id == refund_id))).one()


async def find_refund(session: ReadSession, refund_id: UUID) -> Refund | None:
    return await session.get(Refund, refund_id)


async def find_requested_refund(session: ReadSession, payment_id: UUID, key: str) -> Refund | None:
    return await session.scalar(select(Refund).where(Refund.payment_id == payment_id, Refund.request_key == key))


async def find_refund_by_stripe_id(session: ReadSession, stripe_refund_id: str) -> Refund | None:
    return await session.scalar(select(Refund).where(Refund.stripe_refund_id == stripe_refund_id))


async def list_stuck_refunds(session: ReadSession, before: datetime) -> Sequence[Refund]:
    """Refunds nobody asked Stripe for, and full ones whose subscription was to end and goes on."""
    asked = select(Refund).where(Refund.status == "requested", Refund.updated_at < before)
    goes_on = (
        select(Refund)
        .join(Payment, Payment.id == Refund.payment_id)
        .join(Subscription, Subscription.stripe_subscription_id == Payment.stripe_subscription_id)
        .where(Refund.cancel_subscription, Refund.status == REFUND_DONE, Payment.status == "REFUNDED")
        .where(Subscription.status.in_(LIVE_SUBSCRIPTION), Refund.updated_at < before)
    )
    found = [*await session.scalars(asked.limit(BATCH)), *await session.scalars(goes_on.limit(BATCH))]
    return list({refund.id: refund for refund in found}.values())


async def sum_refunds(session: ReadSession, payment_id: UUID, *, with_open: bool = False) -> int:
    """What went back of a payment, or what went or is on its way."""
    counted = {REFUND_DONE, *REFUND_OPEN} if with_open else {REFUND_DONE}
    total = select(func.coalesce(func.sum(Refund.amount), 0))
    return int(await session.scalar(total.where(Refund.payment_id == payment_id, Refund.status.in_(counted))) or 0)


async def find_dispute(session: ReadSession, stripe_dispute_id: str) -> Dispute | None:
    return await session.scalar(select(Dispute).where(Dispute.stripe_dispute_id == stripe_dispute_id))


async def get_webhook_event(session: ReadSession, event_id: UUID) -> WebhookEvent:
    event = await session.get(WebhookEvent, event_id, with_for_update=isinstance(session, WriteSession))
    if event is None:
        raise WebhookEventNotFound
    return event


async def list_webhook_events(
    session: ReadSession, *, status: str | None, cursor: Sequence[Any] | None, limit: int
) -> Sequence[WebhookEvent]:
    query: Select[Any] = select(WebhookEvent)
    if status is not None:
        query = query.where(WebhookEvent.status == status)
    query = after(query, (WebhookEvent.received_at, WebhookEvent.id), cursor, descending=True)
    return (await session.scalars(query.limit(limit + 1))).all()
