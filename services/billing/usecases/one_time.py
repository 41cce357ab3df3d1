"""Packs: a session of Stripe's that is paid once, followed until its money is there or will not come."""

from typing import TYPE_CHECKING

from services.billing import repository
from services.billing.models import Checkout, Payment
from services.billing.stripe_objects import IntentSnapshot, InvoiceSnapshot, SessionSnapshot, id_of, moment
from services.billing.usecases import payments
from services.billing.usecases.entitlements import publish_entitlement
from services.billing.usecases.grants import follow_payment
from services.billing.usecases.invoices import keep_invoice

if TYPE_CHECKING:
    from services.billing.usecases.synchronise import Books

PAID = frozenset({"paid", "no_payment_required"})


async def follow_session(books: "Books", checkout: Checkout, snapshot: SessionSnapshot) -> None:
    """Record what became of a complete session, and deliver the pack once the money is there."""
    payment = await repository.get_payment_of_checkout(books.session, checkout.id)
    payment = await repository.lock_payment(books.session, payment.id)
    receipt = await books.gateway.get_invoice(str(id_of(snapshot.invoice))) if snapshot.invoice else None
    _note(payment, snapshot)
    if receipt is not None:
        payment.stripe_invoice_id = receipt.id
        await keep_invoice(books.session, receipt, payment.user_id, payment, now=books.now)
    if snapshot.payment_status in PAID:
        await _deliver(books, payment, snapshot, receipt)
    elif payment.stripe_payment_intent_id:
        await _await_money(books, payment, await books.gateway.get_intent(payment.stripe_payment_intent_id))


def _note(payment: Payment, snapshot: SessionSnapshot) -> None:
    """Amounts and names come from the session until money has moved; afterwards they are history."""
    payment.stripe_session_id, payment.stripe_customer_id = snapshot.id, id_of(snapshot.customer)
    payment.stripe_payment_intent_id = id_of(snapshot.payment_intent) or payment.stripe_payment_intent_id
    if payment.paid_at is None and snapshot.currency:
        payment.amount, payment.currency = snapshot.amount_total or 0, snapshot.currency
        payment.amount_tax, payment.amount_discount = snapshot.tax, snapshot.discount


async def _deliver(
    books: "Books", payment: Payment, snapshot: SessionSnapshot, receipt: InvoiceSnapshot | None
) -> None:
    paid_at = moment(receipt.status_transitions.paid_at) if receipt else None
    reason = f"session {snapshot.id} is {snapshot.payment_status}"
    await payments.record_paid(books.session, payment, None, reason, paid_at=paid_at or books.now, now=books.now)
    await follow_payment(books.session, payment, now=books.now)
    await publish_entitlement(books.session, payment.user_id, now=books.now, grace=books.grace)


async def _await_money(books: "Books", payment: Payment, intent: IntentSnapshot) -> None:
    """A bank debit takes days: under way, or failed for good, since a complete session is tried only once."""
    reason = f"intent {intent.id} is {intent.status}"
    if intent.status == "processing":
        await payments.move(books.session, payment, "PROCESSING", reason, now=books.now)
    elif intent.status in {"requires_payment_method", "canceled"}:
        failure = payments.Failure(1, None, intent.failure_code)
        await payments.record_failed(books.session, payment, failure, reason, now=books.now)
