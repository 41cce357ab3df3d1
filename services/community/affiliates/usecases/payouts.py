"""Paying affiliates out: what is available is gathered into a payout, staff send the money, and say how it went.

Atelier moves no money itself. Whoever does (a bank, a payout service) works from the list or the CSV file.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert

from services.community.affiliates import repository
from services.community.affiliates.models import APPROVED, Affiliate, Payout, PayoutEntry
from services.community.affiliates.repository import PayableEntry
from services.community.errors import NoPayoutAddress, PayoutDecided, PayoutTooSmall, WrongAffiliateState
from shared.contracts.common import MailRequested
from shared.contracts.community import PayoutCreated, PayoutFailed, PayoutPaid
from shared.database import WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

CREATED, PAID, FAILED = "pending", "paid", "failed"
RUN_BATCH = 500
# What a spreadsheet would take for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class PayoutTerms:
    """`minimum` in minor units of `currency`: less is not worth a transfer."""

    currency: str
    minimum: int


async def request_payout(
    session: WriteSession, user_id: UUID, address: str | None, terms: PayoutTerms, now: datetime
) -> Payout:
    """Gather all that is available to the user; a new `address` is kept.

    Raises AffiliateNotFound, WrongAffiliateState, NoPayoutAddress, PayoutTooSmall.
    """
    found = await repository.get_affiliate_of(session, user_id)
    affiliate = await repository.lock_affiliate(session, found.id)
    if affiliate.status != APPROVED:
        raise WrongAffiliateState
    affiliate.payout_email = address or affiliate.payout_email
    if not affiliate.payout_email:
        raise NoPayoutAddress
    payout = await _gather(session, affiliate, terms, now)
    if payout is None:
        raise PayoutTooSmall
    return payout


async def run_payouts(session: WriteSession, terms: PayoutTerms, now: datetime) -> list[Payout]:
    """A payout for everybody to whom enough is available; at most so many at once, so call it until none comes.

    Two runs at the same time share the work: each affiliate is locked, and who is locked is skipped.
    """
    affiliates = await repository.lock_payable_affiliates(session, terms.currency, terms.minimum, now, RUN_BATCH)
    gathered = [await _gather(session, affiliate, terms, now) for affiliate in affiliates]
    return [payout for payout in gathered if payout is not None]


async def _gather(session: WriteSession, affiliate: Affiliate, terms: PayoutTerms, now: datetime) -> Payout | None:
    """The affiliate is locked, so the sum is of exactly the entries that are taken."""
    entries = await repository.list_payable_entries(session, affiliate.id, terms.currency, now)
    amount = sum(entry.delta for entry in entries)
    if amount < terms.minimum:
        return None
    payout = Payout(
        id=new_id(),
        affiliate_id=affiliate.id,
        amount=amount,
        currency=terms.currency,
        status=CREATED,
        entry_count=len(entries),
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.add(payout)
    await session.flush()
    await session.execute(
        insert(PayoutEntry), [{"entry_id": entry.entry_id, "payout_id": payout.id} for entry in entries]
    )
    await publish(session, PayoutCreated(**_facts(payout)), sequence=payout.version)
    return payout


async def mark_paid(session: WriteSession, payout_id: UUID, reference: str | None, now: datetime) -> Payout:
    """The money left. Saying it again changes nothing. Raises PayoutNotFound, PayoutDecided for one that failed."""
    payout = await repository.lock_payout(session, payout_id)
    if payout.status == FAILED:
        raise PayoutDecided
    if payout.status == CREATED:
        payout.status, payout.paid_at, payout.reference = PAID, now, reference
        _move(payout, now)
        await publish(session, PayoutPaid(**_facts(payout)), sequence=payout.version)
        await _mail(session, payout)
    return payout


async def mark_failed(session: WriteSession, payout_id: UUID, reason: str, now: datetime) -> Payout:
    """The money did not arrive, or came back: its entries are available again. Saying it again changes nothing."""
    payout = await repository.lock_payout(session, payout_id)
    if payout.status != FAILED:
        payout.status, payout.paid_at, payout.failure = FAILED, None, reason
        _move(payout, now)
        await session.execute(delete(PayoutEntry).where(PayoutEntry.payout_id == payout.id))
        await publish(session, PayoutFailed(**_facts(payout)), sequence=payout.version)
    return payout


def _move(payout: Payout, now: datetime) -> None:
    payout.updated_at = now
    payout.version += 1


def _facts(payout: Payout) -> dict[str, object]:
    same = {name: getattr(payout, name) for name in ("affiliate_id", "amount", "currency", "entry_count")}
    return {"payout_id": payout.id, **same}


async def _mail(session: WriteSession, payout: Payout) -> None:
    affiliate = await repository.get_affiliate(session, payout.affiliate_id)
    mail = MailRequested(
        template="payout_paid",
        user_id=affiliate.user_id,
        params={"payout_id": str(payout.id), "amount": payout.amount, "currency": payout.currency},
        dedupe_key=f"payout_paid:{payout.id}",
    )
    await publish(session, mail, sequence=1)


def to_csv(payout: Payout, affiliate: Affiliate, entries: Sequence[PayableEntry]) -> str:
    """A line for each entry, amounts in minor units; the lines add up to the payout."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(("payout_id", "affiliate_code", "payout_email", "payment_id", "earned_at", "amount", "currency"))
    who = payout.id, affiliate.affiliate_code, _plain(affiliate.payout_email or "")
    for entry in entries:
        table.writerow((*who, entry.payment_id, entry.created_at.isoformat(), entry.delta, payout.currency))
    return written.getvalue()


def _plain(value: str) -> str:
    """The value as a spreadsheet shows it, never runs it."""
    return f"'{value}" if value.startswith(FORMULA) else value
