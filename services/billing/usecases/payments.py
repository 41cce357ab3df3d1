"""Recording what happened to money. Every effect hangs on a transition recorded here, in its transaction."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.billing import repository
from services.billing.models import Payment, PaymentAttempt
from services.billing.transitions import SETTLED, refunded_status
from services.billing.usecases.moving import may_move
from services.billing.usecases.timeline import publish
from shared.contracts.billing import PaymentFailed, PaymentPaid
from shared.contracts.common import MailRequested
from shared.database import WriteSession


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt to collect: its number, when Stripe tries next (None: never), and why."""

    attempt: int
    next_attempt_at: datetime | None
    code: str | None
    needs_action: bool = False

    @property
    def mail(self) -> str:
        """What the customer is told: to confirm at their bank, to look after their card, or that this was it."""
        if self.needs_action:
            return "payment_action_required"
        return "payment_failed" if self.next_attempt_at else "payment_failed_finally"


async def move(session: WriteSession, payment: Payment, status: str, reason: str, *, now: datetime) -> bool:
    """Apply a transition if the table allows it; returns whether it was applied."""
    if not may_move(session, "payment", payment.id, payment.status, status, reason=reason, now=now):
        return False
    payment.status, payment.updated_at = status, now
    payment.version += 1
    return True


async def record_paid(
    session: WriteSession,
    payment: Payment,
    subscription_id: UUID | None,
    reason: str,
    *,
    paid_at: datetime,
    now: datetime,
) -> bool:
    """The money arrived at `paid_at`, perhaps long before we heard of it: told once, with one receipt."""
    if payment.status in SETTLED or not await move(session, payment, "PAID", reason, now=now):
        return False
    payment.paid_at, payment.failure_code = paid_at, None
    await session.flush()
    await publish(
        session,
        PaymentPaid(
            payment_id=payment.id,
            user_id=payment.user_id,
            kind=payment.kind,
            plan_id=payment.plan_id,
            subscription_id=subscription_id,
            amount_total=payment.amount,
            amount_tax=payment.amount_tax,
            amount_discount=payment.amount_discount,
            amount_net=payment.amount - payment.amount_tax,
            currency=payment.currency,
            is_first_payment=await _is_first(session, payment, subscription_id),
            paid_at=paid_at,
        ),
        sequence=payment.version,
    )
    if payment.amount > 0:
        await ask_for_mail(session, payment, "payment_receipt", f"receipt-{payment.id}")
    return True


async def _is_first(session: WriteSession, payment: Payment, subscription_id: UUID | None) -> bool:
    """A renewal is never the first, even if its webhook overtook the one of the purchase; a trial's end can be."""
    if payment.amount == 0:
        return False
    if payment.kind == "subscription_cycle" and not await repository.had_trial(session, subscription_id):
        return False
    return not await repository.has_paid(session, payment.user_id, before=payment.paid_at, other_than=payment.id)


async def record_failed(
    session: WriteSession, payment: Payment, failure: Failure, reason: str, *, now: datetime
) -> bool:
    """An attempt failed. Each attempt is told once, however often Stripe says so."""
    if failure.attempt <= payment.attempts:
        return False
    if payment.status != "FAILED" and not await move(session, payment, "FAILED", reason, now=now):
        return False
    _note_attempt(session, payment, failure, now)
    payment.version += 1
    await publish(
        session,
        PaymentFailed(
            payment_id=payment.id,
            user_id=payment.user_id,
            attempt=failure.attempt,
            next_attempt_at=failure.next_attempt_at,
            code=failure.code,
            is_final=failure.next_attempt_at is None,
        ),
        sequence=payment.version,
    )
    await ask_for_mail(session, payment, failure.mail, f"payment-failed-{payment.id}-{failure.attempt}")
    return True


def _note_attempt(session: WriteSession, payment: Payment, failure: Failure, now: datetime) -> None:
    payment.attempts, payment.failure_code, payment.updated_at = failure.attempt, failure.code, now
    session.add(
        PaymentAttempt(
            payment_id=payment.id,
            number=failure.attempt,
            outcome="action_required" if failure.needs_action else "failed",
            code=failure.code,
            next_attempt_at=failure.next_attempt_at,
            at=now,
        )
    )


async def record_refunded_total(
    session: WriteSession, payment: Payment, total: int, reason: str, *, now: datetime
) -> bool:
    """Set what went back in all, from the sum of refunds; going down again is a refund that failed."""
    payment.amount_refunded = min(total, payment.amount)
    return await move(session, payment, refunded_status(payment.amount, total), reason, now=now)


async def ask_for_mail(session: WriteSession, payment: Payment, template: str, dedupe_key: str) -> None:
    """Ids and facts only; accounts writes and sends the mail."""
    params = {
        "payment_id": str(payment.id),
        "plan_name": payment.plan_name,
        "amount": payment.amount,
        "amount_refunded": payment.amount_refunded,
        "currency": payment.currency,
    }
    mail = MailRequested(template=template, user_id=payment.user_id, params=params, dedupe_key=dedupe_key)
    await publish(session, mail, sequence=1)
