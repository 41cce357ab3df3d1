"""Every SELECT of the affiliates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, exists, func, select

from services.community.affiliates.codes import CODE
from services.community.affiliates.models import (
    APPROVED,
    ATTRIBUTED,
    Affiliate,
    Click,
    Commission,
    DisputeFact,
    Entry,
    PaymentFact,
    Payout,
    PayoutEntry,
    RatePeriod,
    Referral,
)
from services.community.errors import AffiliateNotFound, PayoutNotFound
from shared.database import ReadSession, WriteSession
from shared.pagination import after


async def lock_customer(session: WriteSession, user_id: UUID) -> None:
    """One transaction at a time may decide what a user's payments earn: a registration and a payment that pass each
    other unseen would lose the commission."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"customer:{user_id}", 0))))


async def find_affiliate_of(session: ReadSession, user_id: UUID) -> Affiliate | None:
    return await session.scalar(select(Affiliate).where(Affiliate.user_id == user_id))


async def find_affiliate_for_update(session: WriteSession, user_id: UUID) -> Affiliate | None:
    statement = select(Affiliate).where(Affiliate.user_id == user_id)
    return await session.scalar(statement.with_for_update(), execution_options={"populate_existing": True})


async def get_affiliate_of(session: ReadSession, user_id: UUID) -> Affiliate:
    affiliate = await find_affiliate_of(session, user_id)
    if affiliate is None:
        raise AffiliateNotFound("Apply to the affiliate programme first.")
    return affiliate


async def find_affiliate_by_code(session: ReadSession, code: str) -> Affiliate | None:
    if not CODE.fullmatch(code):
        return None
    return await session.scalar(select(Affiliate).where(Affiliate.affiliate_code == code))


async def get_affiliate(session: ReadSession, affiliate_id: UUID) -> Affiliate:
    affiliate = await session.get(Affiliate, affiliate_id)
    if affiliate is None:
        raise AffiliateNotFound
    return affiliate


async def lock_affiliate(session: WriteSession, affiliate_id: UUID) -> Affiliate:
    affiliate = await session.get(Affiliate, affiliate_id, with_for_update=True, populate_existing=True)
    if affiliate is None:
        raise AffiliateNotFound
    return affiliate


async def list_affiliates(
    session: ReadSession, status: str | None, values: Sequence[Any] | None, limit: int
) -> Sequence[Affiliate]:
    statement = select(Affiliate)
    if status:
        statement = statement.where(Affiliate.status == status)
    return await _page(session, after(statement, [Affiliate.id], values, descending=True), limit)


async def find_rate(session: ReadSession, affiliate_id: UUID, at: datetime) -> int:
    """The rate in basis points at a time; 0 before approval and while suspended."""
    statement = (
        select(RatePeriod.rate_bp)
        .where(RatePeriod.affiliate_id == affiliate_id, RatePeriod.effective_from <= at)
        .order_by(RatePeriod.effective_from.desc())
        .limit(1)
    )
    return await session.scalar(statement) or 0


async def has_rate(session: ReadSession, affiliate_id: UUID) -> bool:
    """Whether the affiliate was ever approved."""
    return bool(await session.scalar(select(exists().where(RatePeriod.affiliate_id == affiliate_id))))


async def find_click(session: ReadSession, click_id: UUID) -> Click | None:
    return await session.get(Click, click_id)


async def count_clicks(session: ReadSession, affiliate_id: UUID) -> int:
    return await session.scalar(select(func.count()).where(Click.affiliate_id == affiliate_id)) or 0


async def count_referrals(session: ReadSession, affiliate_id: UUID) -> int:
    mine = (Referral.affiliate_id == affiliate_id, Referral.status == ATTRIBUTED)
    return await session.scalar(select(func.count()).where(*mine)) or 0


async def find_referral_of(session: ReadSession, user_id: UUID) -> Referral | None:
    return await session.scalar(select(Referral).where(Referral.referred_user_id == user_id))


async def list_referrals(
    session: ReadSession, affiliate_id: UUID, values: Sequence[Any] | None, limit: int
) -> Sequence[Referral]:
    statement = select(Referral).where(Referral.affiliate_id == affiliate_id)
    return await _page(session, after(statement, [Referral.created_at, Referral.id], values, descending=True), limit)


async def lock_referral(session: WriteSession, referral: Referral) -> None:
    """Lock the customer, then read the referral again: a payment may have moved its sum meanwhile."""
    await lock_customer(session, referral.referred_user_id)
    await session.refresh(referral)


async def list_attributed_referrals(session: ReadSession, affiliate_id: UUID) -> Sequence[Referral]:
    """In an order that all who lock several customers share."""
    statement = select(Referral).where(Referral.affiliate_id == affiliate_id, Referral.status == ATTRIBUTED)
    return (await session.scalars(statement.order_by(Referral.referred_user_id))).all()


async def lock_payment(session: WriteSession, payment_id: UUID) -> PaymentFact | None:
    return await session.get(PaymentFact, payment_id, with_for_update=True, populate_existing=True)


async def list_payments_of(session: ReadSession, user_id: UUID) -> Sequence[PaymentFact]:
    statement = select(PaymentFact).where(PaymentFact.user_id == user_id).order_by(PaymentFact.payment_id)
    return (await session.scalars(statement)).all()


async def list_outcomes(session: ReadSession, payment_id: UUID) -> Sequence[str | None]:
    """How the payment's disputes ended; None for one that is open."""
    return (await session.scalars(select(DisputeFact.outcome).where(DisputeFact.payment_id == payment_id))).all()


async def find_commission_for_update(session: WriteSession, payment_id: UUID) -> Commission | None:
    """The payment's commission, locked: an approval may be under way."""
    statement = select(Commission).where(Commission.payment_id == payment_id)
    return await session.scalar(statement.with_for_update(), execution_options={"populate_existing": True})


async def list_commissions(
    session: ReadSession, affiliate_id: UUID, values: Sequence[Any] | None, limit: int
) -> Sequence[Commission]:
    statement = select(Commission).where(Commission.affiliate_id == affiliate_id)
    return await _page(
        session, after(statement, [Commission.created_at, Commission.id], values, descending=True), limit
    )


async def lock_due_commissions(session: WriteSession, now: datetime, limit: int) -> Sequence[Commission]:
    """Commissions whose holding period is over and that nothing holds back. Skips what others work on."""
    statement = (
        select(Commission)
        .where(
            Commission.approved_at.is_(None), Commission.available_at <= now, ~Commission.held, Commission.amount > 0
        )
        .order_by(Commission.available_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(statement)).all()


async def list_entries(session: ReadSession, commission_ids: Sequence[UUID]) -> Sequence[Row[Entry, bool]]:
    """Entries of these commissions, oldest first, each with whether a payout has it."""
    paid = exists().where(PayoutEntry.entry_id == Entry.id, Payout.id == PayoutEntry.payout_id, Payout.status == "paid")
    statement = select(Entry, paid.label("paid")).where(Entry.commission_id.in_(commission_ids)).order_by(Entry.id)
    return (await session.execute(statement)).all()


async def list_payouts(
    session: ReadSession, affiliate_id: UUID, values: Sequence[Any] | None, limit: int
) -> Sequence[Payout]:
    statement = select(Payout).where(Payout.affiliate_id == affiliate_id)
    return await _page(session, after(statement, [Payout.id], values, descending=True), limit)


@dataclass(frozen=True, slots=True)
class PayableEntry:
    """An entry of the ledger with the payment it is of; `delta` in minor units, negative for what was taken back."""

    entry_id: UUID
    delta: int
    payment_id: UUID
    created_at: datetime


_ENTRY = (Entry.id, Entry.delta, Commission.payment_id, Entry.created_at)
_IN_PAYOUT = exists().where(PayoutEntry.entry_id == Entry.id)


def _payable(currency: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Held by no dispute, past the holding period, and in no payout; of failed ones the entries are free again."""
    return Commission.currency == currency, Commission.available_at <= now, ~Commission.held, ~_IN_PAYOUT


async def list_payable_entries(
    session: ReadSession, affiliate_id: UUID, currency: str, now: datetime
) -> list[PayableEntry]:
    entries = select(*_ENTRY).join(Commission, Commission.id == Entry.commission_id)
    entries = entries.where(Commission.affiliate_id == affiliate_id, *_payable(currency, now)).order_by(Entry.id)
    return [PayableEntry(*row) for row in (await session.execute(entries)).all()]


async def list_entries_of_payout(session: ReadSession, payout_id: UUID) -> list[PayableEntry]:
    entries = select(*_ENTRY).join(Commission, Commission.id == Entry.commission_id)
    entries = entries.join(PayoutEntry, PayoutEntry.entry_id == Entry.id).where(PayoutEntry.payout_id == payout_id)
    return [PayableEntry(*row) for row in (await session.execute(entries.order_by(Entry.id))).all()]


async def lock_payable_affiliates(
    session: WriteSession, currency: str, minimum: int, now: datetime, limit: int
) -> Sequence[Affiliate]:
    """Approved affiliates with an address, to whom at least `minimum` is available. Skips who is locked."""
    due = select(Commission.affiliate_id).join(Entry, Entry.commission_id == Commission.id)
    due = due.where(*_payable(currency, now)).group_by(Commission.affiliate_id).having(func.sum(Entry.delta) >= minimum)
    may_be_paid = Affiliate.status == APPROVED, Affiliate.payout_email.is_not(None)
    statement = select(Affiliate).where(Affiliate.id.in_(due), *may_be_paid).order_by(Affiliate.id).limit(limit)
    return (await session.scalars(statement.with_for_update(skip_locked=True))).all()


async def get_payout(session: ReadSession, payout_id: UUID) -> Payout:
    payout = await session.get(Payout, payout_id)
    if payout is None:
        raise PayoutNotFound
    return payout


async def lock_payout(session: WriteSession, payout_id: UUID) -> Payout:
    payout = await session.get(Payout, payout_id, with_for_update=True, populate_existing=True)
    if payout is None:
        raise PayoutNotFound
    return payout


async def list_all_payouts(
    session: ReadSession, status: str | None, values: Sequence[Any] | None, limit: int
) -> Sequence[Payout]:
    statement = select(Payout)
    if status:
        statement = statement.where(Payout.status == status)
    return await _page(session, after(statement, [Payout.id], values, descending=True), limit)


async def _page(session: ReadSession, statement: Any, limit: int) -> Sequence[Any]:
    """One row more than asked for tells whether there is a next page."""
    rows: Sequence[Any] = (await session.scalars(statement.limit(limit + 1))).all()
    return rows
