"""Joining the programme, and what staff decide about affiliates."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from services.community.affiliates import repository
from services.community.affiliates.codes import new_code
from services.community.affiliates.models import APPROVED, PENDING, REJECTED, SUSPENDED, Affiliate, RatePeriod
from services.community.errors import AlreadyAnAffiliate, WrongAffiliateState
from shared.contracts.community import AffiliateApproved, AffiliateSuspended
from shared.database import WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Application:
    user_id: UUID
    payout_email: str | None
    rate_bp: int
    approved: bool


async def apply(session: WriteSession, application: Application, now: datetime) -> Affiliate:
    """Join the programme, with a code of one's own. Raises AlreadyAnAffiliate for a second application."""
    values = {
        "id": new_id(),
        "user_id": application.user_id,
        "affiliate_code": new_code(),
        "status": PENDING,
        "commission_rate": application.rate_bp,
        "payout_email": application.payout_email,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    joined = insert(Affiliate).values(**values).on_conflict_do_nothing(index_elements=["user_id"]).returning(Affiliate)
    affiliate = await session.scalar(joined)
    if affiliate is None:
        raise AlreadyAnAffiliate
    if application.approved:
        await _approve(session, affiliate, now)
    return affiliate


async def approve(session: WriteSession, affiliate_id: UUID, now: datetime) -> Affiliate:
    """Let an applicant, or one who was suspended or rejected, earn from now on."""
    affiliate = await repository.lock_affiliate(session, affiliate_id)
    affiliate.suspended_with_account = False
    if affiliate.status != APPROVED:
        await _approve(session, affiliate, now)
    return affiliate


async def _approve(session: WriteSession, affiliate: Affiliate, now: datetime) -> None:
    _change(affiliate, APPROVED, now)
    # A first approval counts from ever: nobody could be referred before it, and clocks may differ by a little.
    first = not await repository.has_rate(session, affiliate.id)
    await _set_rate(session, affiliate.id, affiliate.commission_rate, EVER if first else now)
    event = AffiliateApproved(affiliate_id=affiliate.id, user_id=affiliate.user_id, code=affiliate.affiliate_code)
    await publish(session, event, sequence=affiliate.version)


async def reject(session: WriteSession, affiliate_id: UUID, now: datetime) -> Affiliate:
    affiliate = await repository.lock_affiliate(session, affiliate_id)
    if affiliate.status not in {PENDING, REJECTED}:
        raise WrongAffiliateState("Only an application that waits can be rejected; suspend the affiliate instead.")
    _change(affiliate, REJECTED, now)
    return affiliate


async def suspend(session: WriteSession, affiliate_id: UUID, now: datetime) -> Affiliate:
    """Payments from now on earn nothing; what was earned stays in the ledger."""
    affiliate = await repository.lock_affiliate(session, affiliate_id)
    affiliate.suspended_with_account = False
    if affiliate.status == SUSPENDED:
        return affiliate
    if affiliate.status != APPROVED:
        raise WrongAffiliateState("Only an approved affiliate can be suspended.")
    await _suspend(session, affiliate, now)
    return affiliate


async def suspend_with_account(session: WriteSession, user_id: UUID, now: datetime) -> None:
    """Nobody earns with a disabled account. Does nothing for a user who is no affiliate or earns nothing anyway."""
    affiliate = await repository.find_affiliate_for_update(session, user_id)
    if affiliate is not None and affiliate.status == APPROVED:
        affiliate.suspended_with_account = True
        await _suspend(session, affiliate, now)


async def reinstate_with_account(session: WriteSession, user_id: UUID, now: datetime) -> None:
    """End a suspension that only the account was the reason for; one that staff decided stays."""
    affiliate = await repository.find_affiliate_for_update(session, user_id)
    if affiliate is not None and affiliate.suspended_with_account:
        affiliate.suspended_with_account = False
        await _approve(session, affiliate, now)


async def end_membership(session: WriteSession, user_id: UUID, now: datetime) -> None:
    """Earn nothing more and forget where to send it; what was earned stays in the ledger, as the law on books asks."""
    affiliate = await repository.find_affiliate_for_update(session, user_id)
    if affiliate is None:
        return
    affiliate.payout_email, affiliate.suspended_with_account = None, False
    if affiliate.status == APPROVED:
        await _suspend(session, affiliate, now)


async def _suspend(session: WriteSession, affiliate: Affiliate, now: datetime) -> None:
    _change(affiliate, SUSPENDED, now)
    await _set_rate(session, affiliate.id, 0, now)
    event = AffiliateSuspended(affiliate_id=affiliate.id, user_id=affiliate.user_id, code=affiliate.affiliate_code)
    await publish(session, event, sequence=affiliate.version)


async def change_rate(session: WriteSession, affiliate_id: UUID, rate_bp: int, now: datetime) -> Affiliate:
    """Set the rate in basis points for payments from now on; what was paid before keeps its rate."""
    affiliate = await repository.lock_affiliate(session, affiliate_id)
    affiliate.commission_rate = rate_bp
    _change(affiliate, affiliate.status, now)
    if affiliate.status == APPROVED:
        await _set_rate(session, affiliate.id, rate_bp, now)
    return affiliate


async def _set_rate(session: WriteSession, affiliate_id: UUID, rate_bp: int, now: datetime) -> None:
    """Payment times are whole seconds at Stripe, so a rate counts from the start of its second."""
    row = {"affiliate_id": affiliate_id, "effective_from": now.replace(microsecond=0), "rate_bp": rate_bp}
    statement = insert(RatePeriod).values(**row)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["affiliate_id", "effective_from"], set_={"rate_bp": rate_bp})
    )


def _change(affiliate: Affiliate, status: str, now: datetime) -> None:
    affiliate.status, affiliate.updated_at = status, now
    affiliate.version += 1
