"""Money back. The refund's row comes first and Stripe second, so that nothing is refunded twice."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.billing import repository
from services.billing.errors import PaymentNotRefundable, RefundAbovePaid, RefundFailed, RefundNotPayable, StripeRefused
from services.billing.models import Payment, Refund
from services.billing.stripe_gateway import KEYS_KEPT, StripeGateway
from services.billing.stripe_objects import RefundSnapshot, id_of
from services.billing.transitions import FREEZING_DISPUTES, SETTLED
from services.billing.usecases import payments
from services.billing.usecases.entitlements import publish_entitlement
from services.billing.usecases.grants import follow_payment
from services.billing.usecases.moving import may_move
from services.billing.usecases.synchronise import Books, ParentMissing, sync_subscription
from services.billing.usecases.timeline import publish
from shared.contracts.billing import PaymentRefunded, PaymentRefundReverted
from shared.database import Database, WriteSession
from shared.idempotency import IdempotencyKeyReused
from shared.ids import new_id
from shared.money import step

STRIPE_REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer"})


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """`amount` None means everything that is left."""

    payment_id: UUID
    amount: int | None
    reason: str
    cancel_subscription: bool
    requested_by: UUID
    request_key: str | None

    @property
    def fingerprint(self) -> bytes:
        return hashlib.sha256(repr((self.amount, self.reason, self.cancel_subscription)).encode()).digest()


async def begin_refund(session: WriteSession, order: RefundOrder, *, now: datetime) -> tuple[Refund, bool]:
    """Record the refund before Stripe is asked. Returns it, and whether an earlier request with this key made it.

    Raises PaymentNotFound, PaymentNotRefundable, RefundAbovePaid, RefundNotPayable,
    IdempotencyKeyReused.
    """
    payment = await repository.lock_payment(session, order.payment_id)
    if order.request_key:
        known = await repository.find_requested_refund(session, payment.id, order.request_key)
        if known is not None:
            if known.fingerprint != order.fingerprint:
                raise IdempotencyKeyReused
            return known, True
    if payment.status not in {"PAID", "PARTIALLY_REFUNDED"} or not payment.stripe_payment_intent_id:
        raise PaymentNotRefundable(f"The payment is {payment.status}.")
    if payment.dispute_state in FREEZING_DISPUTES:
        raise PaymentNotRefundable("The payment is disputed.")
    left = payment.amount - await repository.sum_refunds(session, payment.id, with_open=True)
    amount = left if order.amount is None else order.amount
    if amount <= 0 or amount > left:
        raise RefundAbovePaid(f"{left} is left to refund.", refundable=left)
    if amount % step(payment.currency):
        raise RefundNotPayable(f"Amounts in {payment.currency} are multiples of {step(payment.currency)}.")
    refund = await order_refund(
        session, payment, amount, order.reason, cancel_subscription=order.cancel_subscription, now=now
    )
    refund.requested_by, refund.request_key = order.requested_by, order.request_key
    refund.fingerprint = order.fingerprint
    return refund, False


async def order_refund(
    session: WriteSession, payment: Payment, amount: int, reason: str, *, cancel_subscription: bool, now: datetime
) -> Refund:
    """A refund that is to be made; the caller or the recovery task asks Stripe for it."""
    refund = Refund(
        id=new_id(),
        payment_id=payment.id,
        amount=amount,
        status="requested",
        reason=reason,
        cancel_subscription=cancel_subscription,
        created_at=now,
        updated_at=now,
    )
    session.add(refund)
    await session.flush()
    return refund


async def carry_out_refund(database: Database, gateway: StripeGateway, refund: Refund, *, grace: timedelta) -> None:
    """Ask Stripe for a recorded refund and apply its answer. Safe to repeat: the row's id is the idempotency key, and
    once Stripe has forgotten it, a refund that was made is found by the id in its metadata.

    Raises RefundFailed when Stripe says no, PaymentProviderUnavailable when it does not answer; the recovery task
    then goes on.
    """
    async with database.read() as session:
        payment = await repository.get_payment(session, refund.payment_id)
    forgotten = database.clock.now() - refund.created_at >= KEYS_KEPT
    try:
        snapshot = await _find_made(gateway, refund, payment) if forgotten else None
        if snapshot is None:
            snapshot = await gateway.create_refund(_refund_params(refund, payment), key=f"refund:{refund.id}")
    except StripeRefused as refusal:
        await _mark_refused(database, refund.id, str(refusal))
        raise RefundFailed(str(refusal)) from refusal
    async with database.write() as session:
        await repository.lock_name(session, payment.stripe_customer_id or str(payment.id))
        await apply_refund(session, snapshot, now=database.clock.now(), grace=grace)
    is_full = refund.amount >= payment.refundable
    if refund.cancel_subscription and is_full and payment.stripe_subscription_id:
        stripe_id = payment.stripe_subscription_id
        await gateway.cancel_subscription(stripe_id, key=f"cancel:{refund.id}")
        async with database.write() as session:
            await repository.lock_name(session, payment.stripe_customer_id or str(payment.id))
            await sync_subscription(Books(session, gateway, database.clock.now(), grace), stripe_id)


async def _find_made(gateway: StripeGateway, refund: Refund, payment: Payment) -> RefundSnapshot | None:
    for snapshot in await gateway.list_refunds(payment.stripe_payment_intent_id or ""):
        if (snapshot.metadata or {}).get("refund_id") == str(refund.id):
            return snapshot
    return None


def _refund_params(refund: Refund, payment: Payment) -> dict[str, object]:
    params: dict[str, object] = {
        "payment_intent": payment.stripe_payment_intent_id,
        "amount": refund.amount,
        "metadata": {"refund_id": str(refund.id)},
    }
    return {**params, "reason": refund.reason} if refund.reason in STRIPE_REASONS else params


async def _mark_refused(database: Database, refund_id: UUID, error: str) -> None:
    async with database.write() as session:
        stored = await repository.get_refund(session, refund_id)
        stored.status, stored.error, stored.updated_at = "failed", error[:500], database.clock.now()


async def apply_refund(session: WriteSession, snapshot: RefundSnapshot, *, now: datetime, grace: timedelta) -> None:
    """Record a refund as Stripe has it: ours, or one made in Stripe's dashboard. Raises ParentMissing."""
    payment = await repository.find_payment_by_intent(session, id_of(snapshot.payment_intent) or "")
    if payment is None:
        raise ParentMissing(f"no payment for refund {snapshot.id}")
    payment = await repository.lock_payment(session, payment.id)
    refund = await _refund_row(session, payment, snapshot, now)
    refund.stripe_refund_id, refund.updated_at = snapshot.id, now
    reason = f"Stripe says {snapshot.status}"
    if may_move(session, "refund", refund.id, refund.status, snapshot.status, reason=reason, now=now):
        refund.status, refund.error = snapshot.status, snapshot.failure_reason
    await session.flush()
    if payment.status not in SETTLED:
        raise ParentMissing(f"payment {payment.id} is not booked yet")
    await _tell_refund(session, payment, refund, now)
    if payment.kind == "one_time":
        await publish_entitlement(session, payment.user_id, now=now, grace=grace)


async def _refund_row(session: WriteSession, payment: Payment, snapshot: RefundSnapshot, now: datetime) -> Refund:
    known = await repository.find_refund_by_stripe_id(session, snapshot.id)
    named = (snapshot.metadata or {}).get("refund_id")
    if known is None and named:
        known = await repository.find_refund(session, UUID(named))
    if known is not None:
        return known
    # Made in the dashboard: what becomes of the subscription is decided there too.
    return await order_refund(
        session, payment, snapshot.amount, snapshot.reason or "dashboard", cancel_subscription=False, now=now
    )


async def _tell_refund(session: WriteSession, payment: Payment, refund: Refund, now: datetime) -> None:
    before = payment.amount_refunded
    total = await repository.sum_refunds(session, payment.id)
    if total == before:
        return
    await payments.record_refunded_total(session, payment, total, f"refund {refund.stripe_refund_id}", now=now)
    payment.version += 1
    await follow_payment(session, payment, now=now)
    kind = PaymentRefunded if total > before else PaymentRefundReverted
    event = kind(
        payment_id=payment.id,
        refund_id=refund.id,
        user_id=payment.user_id,
        refund_amount=refund.amount,
        amount_refunded_total=payment.amount_refunded,
        amount_net_remaining=payment.net_remaining,
        currency=payment.currency,
        full=payment.amount_refunded >= payment.amount,
    )
    await publish(session, event, sequence=payment.version)
    if kind is PaymentRefunded:
        await payments.ask_for_mail(session, payment, "payment_refunded", f"refunded-{refund.id}")


async def sync_refund(books: Books, refund_id: str) -> None:
    snapshot = await books.gateway.get_refund(refund_id)
    await apply_refund(books.session, snapshot, now=books.now, grace=books.grace)


async def sync_refunds_of(books: Books, payment_intent_id: str) -> None:
    """All refunds of a payment: `charge.refunded` names none since its payload no longer lists them."""
    for snapshot in await books.gateway.list_refunds(payment_intent_id):
        await apply_refund(books.session, snapshot, now=books.now, grace=books.grace)
