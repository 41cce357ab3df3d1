"""What payments earn. One rule for every history: the ledger is moved to what the facts known now call for.

Events are kept as facts first, so that it doesn't matter in which order they come or how often.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.community.affiliates import repository
from services.community.affiliates.ledger import delta as entry_due
from services.community.affiliates.ledger import target_commission
from services.community.affiliates.models import (
    ATTRIBUTED,
    Balance,
    Commission,
    DisputeFact,
    Entry,
    PaymentFact,
    Referral,
)
from services.community.affiliates.terms import Terms
from shared.contracts.billing import (
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentPaid,
    PaymentRefunded,
    PaymentRefundReverted,
)
from shared.contracts.community import CommissionAccrued, CommissionApproved, CommissionReversed, ReferralConverted
from shared.database import WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

LOST = "lost"
APPROVAL_BATCH = 200


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the ledger moves: the event that told us, once per commission."""

    event_id: UUID
    name: str
    now: datetime


async def record_payment(session: WriteSession, event: PaymentPaid, cause: Cause, terms: Terms) -> None:
    paid: dict[str, datetime | int] = {"paid_at": event.paid_at, "amount_net": event.amount_net}
    await _know_payment(session, event.payment_id, event.user_id, event.currency, **paid)
    await settle_payment(session, event.payment_id, cause, terms)


async def record_refund(
    session: WriteSession, event: PaymentRefunded | PaymentRefundReverted, version: int, cause: Cause, terms: Terms
) -> None:
    """Totals, not single refunds, count: the newest event knows them all."""
    await _know_payment(session, event.payment_id, event.user_id, event.currency)
    fact = await repository.lock_payment(session, event.payment_id)
    if fact and version >= (fact.refund_version or 0):
        fact.amount_net_remaining, fact.refund_version = event.amount_net_remaining, version
    await settle_payment(session, event.payment_id, cause, terms)


async def record_dispute(
    session: WriteSession, event: PaymentDisputed | PaymentDisputeClosed, version: int, cause: Cause, terms: Terms
) -> None:
    await _know_payment(session, event.payment_id, event.user_id, event.currency)
    row = {"payment_id": event.payment_id, "dispute_id": event.dispute_id}
    news = {"outcome": event.outcome, "version": version}
    known = insert(DisputeFact).values(**row, **news)
    await session.execute(
        known.on_conflict_do_update(
            index_elements=["payment_id", "dispute_id"], set_=news, where=DisputeFact.version <= version
        )
    )
    await settle_payment(session, event.payment_id, cause, terms)


async def _know_payment(
    session: WriteSession, payment_id: UUID, user_id: UUID, currency: str, **facts: datetime | int
) -> None:
    await repository.lock_customer(session, user_id)
    row = {"payment_id": payment_id, "user_id": user_id, "currency": currency, **facts}
    known = insert(PaymentFact).values(**row)
    await session.execute(
        known.on_conflict_do_update(index_elements=["payment_id"], set_=facts)
        if facts
        else known.on_conflict_do_nothing()
    )


async def settle_customer(session: WriteSession, user_id: UUID, cause: Cause, terms: Terms) -> None:
    """Settle everything a user ever paid, for an attribution that came late or was taken back."""
    for payment in await repository.list_payments_of(session, user_id):
        await settle_payment(session, payment.payment_id, cause, terms)


async def settle_payment(session: WriteSession, payment_id: UUID, cause: Cause, terms: Terms) -> None:
    """Append what is missing between the ledger and what this payment earns. The customer is locked."""
    payment = await repository.lock_payment(session, payment_id)
    if payment is None or payment.paid_at is None:
        return
    referral = await repository.find_referral_of(session, payment.user_id)
    if referral is None:
        return
    outcomes = await repository.list_outcomes(session, payment_id)
    commission = await _commission_of(session, payment, payment.paid_at, referral, cause, terms)
    if commission is None:
        return
    commission.held = None in outcomes
    remaining = payment.amount_net if payment.refund_version is None else payment.amount_net_remaining
    lost = LOST in outcomes or referral.status != ATTRIBUTED
    await _move(session, commission, referral, target_commission(commission.rate_bp, remaining or 0, lost), cause)
    await _convert(session, referral, cause)


async def _commission_of(
    session: WriteSession,
    payment: PaymentFact,
    paid_at: datetime,
    referral: Referral,
    cause: Cause,
    terms: Terms,
) -> Commission | None:
    """The payment's commission, made when the payment is one that earns; its rate never changes afterwards."""
    known = await repository.find_commission_for_update(session, payment.payment_id)
    if known is not None or referral.status != ATTRIBUTED or not terms.earns(referral.registered_at, paid_at):
        return known
    rate_bp = await repository.find_rate(session, referral.affiliate_id, paid_at)
    if not rate_bp:
        return None
    commission = Commission(
        id=new_id(),
        affiliate_id=referral.affiliate_id,
        referral_id=referral.id,
        payment_id=payment.payment_id,
        rate_bp=rate_bp,
        currency=payment.currency,
        amount=0,
        version=0,
        available_at=paid_at + terms.holding_period,
        created_at=cause.now,
        updated_at=cause.now,
    )
    session.add(commission)
    await session.flush()
    return commission


async def _move(session: WriteSession, commission: Commission, referral: Referral, target: int, cause: Cause) -> None:
    """Append the entry that brings the commission to its target, unless it is there already."""
    due = entry_due(target, commission.amount)
    if not due:
        return
    balance = await _add_to_balance(session, commission, due)
    session.add(
        Entry(
            id=new_id(),
            commission_id=commission.id,
            delta=due,
            balance_after=balance,
            cause=cause.name,
            cause_event_id=cause.event_id,
            created_at=cause.now,
        )
    )
    commission.amount += due
    commission.version += 1
    commission.updated_at = referral.updated_at = cause.now
    referral.commission += due
    kind = CommissionAccrued if due > 0 else CommissionReversed
    await _tell(session, kind, commission, due, balance)


async def _add_to_balance(session: WriteSession, commission: Commission, due: int) -> int:
    row = {"affiliate_id": commission.affiliate_id, "currency": commission.currency, "amount": due}
    statement = (
        insert(Balance)
        .values(**row)
        .on_conflict_do_update(index_elements=["affiliate_id", "currency"], set_={"amount": Balance.amount + due})
        .returning(Balance.amount)
    )
    return int((await session.execute(statement)).scalar_one())


async def _convert(session: WriteSession, referral: Referral, cause: Cause) -> None:
    """The first payment that earns makes a referral a customer, once and for all."""
    if referral.converted_at is not None or referral.status != ATTRIBUTED:
        return
    referral.converted_at = referral.updated_at = cause.now
    referral.version += 1
    event = ReferralConverted(
        referral_id=referral.id,
        affiliate_id=referral.affiliate_id,
        referred_user_id=referral.referred_user_id,
        method=referral.method,
        rule=referral.rule,
    )
    await publish(session, event, sequence=referral.version)


async def approve_due_commissions(session: WriteSession, now: datetime) -> int:
    """Tell of commissions whose holding period is over; returns how many. What is payable follows from time alone."""
    due = await repository.lock_due_commissions(session, now, APPROVAL_BATCH)
    for commission in due:
        commission.approved_at = commission.updated_at = now
        commission.version += 1
        statement = select(Balance.amount).where(
            Balance.affiliate_id == commission.affiliate_id, Balance.currency == commission.currency
        )
        balance = await session.scalar(statement) or 0
        await _tell(session, CommissionApproved, commission, 0, balance)
    return len(due)


async def _tell(
    session: WriteSession,
    kind: type[CommissionAccrued | CommissionReversed | CommissionApproved],
    commission: Commission,
    due: int,
    balance: int,
) -> None:
    event = kind(
        commission_id=commission.id,
        affiliate_id=commission.affiliate_id,
        payment_id=commission.payment_id,
        delta=due,
        balance_after=balance,
        currency=commission.currency,
        available_at=commission.available_at,
    )
    await publish(session, event, sequence=commission.version)
