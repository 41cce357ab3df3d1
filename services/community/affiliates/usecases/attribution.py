"""Who brought a new user: decided once, at registration, with the rule that decided kept as evidence."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.community.affiliates import repository
from services.community.affiliates.codes import normalise
from services.community.affiliates.models import APPROVED, ATTRIBUTED, REFUSED, Affiliate, Click, Referral
from services.community.affiliates.terms import Terms
from services.community.affiliates.usecases.accruals import Cause, settle_customer
from services.community.models import Profile
from shared.contracts.accounts import UserRegistered
from shared.contracts.community import ReferralAttributed, ReferralRejected
from shared.database import WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

# What a rule that refuses is called; every other rule attributes.
SAME_USER, SAME_MAILBOX = "self_referral_user", "self_referral_email"
NOT_APPROVED, WINDOW_OVER = "affiliate_not_approved", "window_expired"
REFUSING = frozenset({SAME_USER, SAME_MAILBOX, NOT_APPROVED, WINDOW_OVER})


@dataclass(frozen=True, slots=True)
class Claim:
    """An affiliate's claim on a new user. `method` is `link` when a click of theirs is behind it, else `code`."""

    affiliate: Affiliate
    method: str
    click: Click | None


async def attribute_user(session: WriteSession, user: UserRegistered, cause: Cause, terms: Terms) -> None:
    """Decide who brought the user, and let what they have paid already earn."""
    await repository.lock_customer(session, user.user_id)
    if await repository.find_referral_of(session, user.user_id) is None:
        claim = await _find_claim(session, user)
        if claim is not None:
            await _decide(session, user, claim, cause.now, terms)
            await settle_customer(session, user.user_id, cause, terms)
    await _refuse_self_referrals(session, user, cause, terms)


async def _find_claim(session: WriteSession, user: UserRegistered) -> Claim | None:
    """A code that was typed wins over a click of somebody else; a click alone counts for whoever's link it was."""
    click = await _find_click(session, user.click_id)
    if user.referral_code is None:
        affiliate = await repository.get_affiliate(session, click.affiliate_id) if click else None
    else:
        affiliate = await repository.find_affiliate_by_code(session, normalise(user.referral_code))
    if affiliate is None:
        return None
    if click is not None and click.affiliate_id == affiliate.id:
        return Claim(affiliate, "link", click)
    return Claim(affiliate, "code", None)


async def _find_click(session: WriteSession, click_id: str | None) -> Click | None:
    try:
        return await repository.find_click(session, UUID(click_id)) if click_id else None
    except ValueError:
        return None


async def _decide(session: WriteSession, user: UserRegistered, claim: Claim, now: datetime, terms: Terms) -> None:
    rule = await _rule(session, user, claim, terms)
    referral = Referral(
        id=new_id(),
        affiliate_id=claim.affiliate.id,
        referred_user_id=user.user_id,
        status=REFUSED if rule in REFUSING else ATTRIBUTED,
        method=claim.method,
        rule=rule,
        click_id=claim.click.id if claim.click else None,
        registered_at=user.registered_at,
        commission=0,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.add(referral)
    await _tell(session, referral)


async def _rule(session: WriteSession, user: UserRegistered, claim: Claim, terms: Terms) -> str:
    """The first rule that refuses the claim, or the one that grants it."""
    if claim.affiliate.user_id == user.user_id:
        return SAME_USER
    if await _same_mailbox(session, claim.affiliate.user_id, user.email_fingerprint):
        return SAME_MAILBOX
    if claim.affiliate.status != APPROVED:
        return NOT_APPROVED
    if claim.click is not None and not terms.counts(claim.click.clicked_at, user.registered_at):
        return WINDOW_OVER
    return "click_in_window" if claim.click else "explicit_code"


async def _same_mailbox(session: WriteSession, user_id: UUID, fingerprint: str) -> bool:
    profile = await session.get(Profile, user_id)
    return profile is not None and profile.email_fingerprint == fingerprint


async def _refuse_self_referrals(session: WriteSession, user: UserRegistered, cause: Cause, terms: Terms) -> None:
    """The affiliate's own registration may arrive last: then their second mailbox shows only now."""
    affiliate = await repository.find_affiliate_of(session, user.user_id)
    if affiliate is None:
        return
    for referral in await repository.list_attributed_referrals(session, affiliate.id):
        if await _same_mailbox(session, referral.referred_user_id, user.email_fingerprint):
            await repository.lock_referral(session, referral)
            referral.status, referral.rule, referral.updated_at = REFUSED, SAME_MAILBOX, cause.now
            referral.version += 1
            await _tell(session, referral)
            await settle_customer(session, referral.referred_user_id, cause, terms)


async def _tell(session: WriteSession, referral: Referral) -> None:
    kind = ReferralRejected if referral.status == REFUSED else ReferralAttributed
    event = kind(
        referral_id=referral.id,
        affiliate_id=referral.affiliate_id,
        referred_user_id=referral.referred_user_id,
        method=referral.method,
        rule=referral.rule,
    )
    await publish(session, event, sequence=referral.version)
