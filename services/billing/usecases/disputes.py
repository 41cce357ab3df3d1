"""Disputes: what the payment bought is frozen while the bank decides, released when won, taken back when lost."""

from datetime import datetime
from uuid import uuid5

from services.billing import repository
from services.billing.models import Dispute, Payment
from services.billing.stripe_objects import DisputeSnapshot, id_of
from services.billing.transitions import DISPUTE_ENDS, dispute_state_of
from services.billing.usecases.entitlements import publish_entitlement
from services.billing.usecases.grants import follow_payment
from services.billing.usecases.moving import may_move
from services.billing.usecases.synchronise import Books, ParentMissing
from services.billing.usecases.timeline import publish
from shared.contracts.billing import PaymentDisputeClosed, PaymentDisputed
from shared.database import WriteSession


async def sync_dispute(books: Books, dispute_id: str) -> None:
    """Record a dispute as Stripe has it now. Raises ParentMissing while its payment is not booked."""
    snapshot = await books.gateway.get_dispute(dispute_id)
    payment = await repository.find_payment_by_intent(books.session, id_of(snapshot.payment_intent) or "")
    if payment is None:
        raise ParentMissing(f"no payment for dispute {dispute_id}")
    payment = await repository.lock_payment(books.session, payment.id)
    dispute = await repository.find_dispute(books.session, dispute_id)
    if dispute is None:
        dispute = _new_dispute(payment, snapshot, books.now)
        books.session.add(dispute)
    elif not _may_follow(books, dispute, snapshot.status):
        return
    dispute.state, dispute.updated_at = snapshot.status, books.now
    dispute.outcome = DISPUTE_ENDS.get(snapshot.status)
    payment.dispute_state, payment.updated_at = dispute_state_of(snapshot.status), books.now
    payment.version += 1
    await books.session.flush()
    await follow_payment(books.session, payment, now=books.now)
    await _tell_dispute(books.session, payment, dispute)
    await publish_entitlement(books.session, payment.user_id, now=books.now, grace=books.grace)


def _may_follow(books: Books, dispute: Dispute, status: str) -> bool:
    reason = f"Stripe says {status}"
    return may_move(books.session, "dispute", dispute.id, dispute.state, status, reason=reason, now=books.now)


def _new_dispute(payment: Payment, snapshot: DisputeSnapshot, now: datetime) -> Dispute:
    return Dispute(
        id=uuid5(payment.id, snapshot.id),
        payment_id=payment.id,
        stripe_dispute_id=snapshot.id,
        amount=snapshot.amount,
        currency=snapshot.currency,
        created_at=now,
    )


async def _tell_dispute(session: WriteSession, payment: Payment, dispute: Dispute) -> None:
    kind = PaymentDisputeClosed if dispute.outcome else PaymentDisputed
    event = kind(
        payment_id=payment.id,
        dispute_id=dispute.id,
        user_id=payment.user_id,
        amount=dispute.amount,
        currency=dispute.currency,
        state=payment.dispute_state,
        outcome=dispute.outcome,
    )
    await publish(session, event, sequence=payment.version)
