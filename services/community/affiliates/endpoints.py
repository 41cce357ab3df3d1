"""HTTP in, for affiliates and those who follow their links."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Cookie
from starlette.responses import RedirectResponse, Response

from services.community.affiliates import repository
from services.community.affiliates.codes import format_cookie, parse_cookie
from services.community.affiliates.models import Affiliate, Commission
from services.community.affiliates.schemas import (
    AffiliateRead,
    ApplyBody,
    BalanceRead,
    CommissionRead,
    CommissionStatus,
    EntryRead,
    PayoutBody,
    PayoutRead,
    ReferralRead,
)
from services.community.affiliates.usecases import payouts
from services.community.affiliates.usecases.balances import read_balance
from services.community.affiliates.usecases.links import Visit, follow_link
from services.community.affiliates.usecases.membership import Application, apply
from services.community.requests import Community, InCommunity, Place, Visitor
from shared.database import Read, ReadSession, Write
from shared.idempotency import Idempotency
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, public, user

COOKIE = "atelier_ref"

router = Router(tags=["affiliates"])
MayRead = user(scope="affiliates:read")
MayWrite = user(scope="affiliates:write")


@router.get("/r/{code}", access=public, status_code=302, response_class=RedirectResponse)
async def follow_referral_link(
    code: str,
    session: Write,
    community: InCommunity,
    visitor: Visitor,
    atelier_ref: Annotated[str | None, Cookie()] = None,
) -> RedirectResponse:
    """Record the click, remember it in a cookie for the attribution window, and go on to the site."""
    await community.limit(f"click:{visitor.hex()}", community.settings.clicks_per_hour, "Too many clicks.")
    known = parse_cookie(atelier_ref or "")
    visit = Visit(code, visitor, known.click_id if known else None)
    first_touch = community.settings.affiliate_touch == "first"
    followed = await follow_link(session, visit, first_touch=first_touch, terms=community.terms, now=community.now)
    response = RedirectResponse(f"{community.settings.public_url}/", status_code=302)
    response.headers["Cache-Control"] = "no-store"
    if followed.remember:
        _remember(response, format_cookie(followed.code, followed.click_id), community)
    return response


def _remember(response: Response, value: str, community: Community) -> None:
    seconds = int(community.settings.attribution_window.total_seconds())
    secure = community.settings.public_url.startswith("https://")
    response.set_cookie(COOKIE, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax")


@router.post("/v1/affiliates/apply", access=MayWrite, status_code=201, response_model=AffiliateRead)
async def apply_as_affiliate(
    session: Write, caller: Caller, community: InCommunity, once: Idempotency, body: ApplyBody | None = None
) -> Response:
    """Join the programme; by default approved at once."""

    async def act() -> AffiliateRead:
        settings = community.settings
        email = body.payout_email if body else None
        application = Application(
            caller.user_id, email, settings.affiliate_rate_bp, approved=settings.affiliate_auto_approve
        )
        return await _described(session, await apply(session, application, community.now), community)

    return await once.respond(session, act, status=201, headers=lambda _: {"Location": "/v1/affiliates/me"})


@router.get("/v1/affiliates/me", access=MayRead)
async def read_own_affiliate(session: Read, caller: Caller, community: InCommunity) -> AffiliateRead:
    return await _described(session, await repository.get_affiliate_of(session, caller.user_id), community)


async def _described(session: ReadSession, affiliate: Affiliate, community: Community) -> AffiliateRead:
    balance = await read_balance(session, affiliate.id, community.settings.currency, community.now)
    return AffiliateRead(
        id=affiliate.id,
        code=affiliate.affiliate_code,
        link=f"{community.settings.public_url}/r/{affiliate.affiliate_code}",
        status=affiliate.status,
        commission_rate_bp=affiliate.commission_rate,
        payout_email=affiliate.payout_email,
        balance=BalanceRead.model_validate(balance),
        clicks=await repository.count_clicks(session, affiliate.id),
        referrals=await repository.count_referrals(session, affiliate.id),
        created_at=affiliate.created_at,
    )


@router.get("/v1/affiliates/me/referrals", access=MayRead)
async def list_own_referrals(
    session: Read, caller: Caller, community: InCommunity, cursor: Cursor = None, limit: Limit = 50
) -> Page[ReferralRead]:
    affiliate = await repository.get_affiliate_of(session, caller.user_id)
    place = Place(community, f"referrals:{affiliate.id}", cursor)
    rows = await repository.list_referrals(session, affiliate.id, place.values, limit)
    return page_of(rows, limit, ReferralRead.model_validate, lambda row: place.after(row.created_at, row.id))


@router.get("/v1/affiliates/me/commissions", access=MayRead)
async def list_own_commissions(
    session: Read, caller: Caller, community: InCommunity, cursor: Cursor = None, limit: Limit = 50
) -> Page[CommissionRead]:
    """Commissions with their ledger entries, newest first."""
    affiliate = await repository.get_affiliate_of(session, caller.user_id)
    place = Place(community, f"commissions:{affiliate.id}", cursor)
    rows = await repository.list_commissions(session, affiliate.id, place.values, limit)
    entries = await repository.list_entries(session, [row.id for row in rows])
    return page_of(
        rows,
        limit,
        lambda row: _commission(
            row, [entry for entry in entries if entry.Entry.commission_id == row.id], community.now
        ),
        lambda row: place.after(row.created_at, row.id),
    )


def _commission(row: Commission, entries: Sequence[Any], now: datetime) -> CommissionRead:
    return CommissionRead(
        id=row.id,
        payment_id=row.payment_id,
        referral_id=row.referral_id,
        amount=row.amount,
        currency=row.currency,
        rate_bp=row.rate_bp,
        status=_status(row, now, paid=bool(entries) and all(entry.paid for entry in entries)),
        available_at=row.available_at,
        created_at=row.created_at,
        entries=[EntryRead.model_validate(entry.Entry) for entry in entries],
    )


def _status(row: Commission, now: datetime, *, paid: bool) -> CommissionStatus:
    if row.amount == 0:
        return "REVERSED"
    if paid:
        return "PAID"
    if row.held:
        return "HELD"
    return "AVAILABLE" if row.available_at <= now else "PENDING"


@router.get("/v1/affiliates/me/payouts", access=MayRead)
async def list_own_payouts(
    session: Read, caller: Caller, community: InCommunity, cursor: Cursor = None, limit: Limit = 50
) -> Page[PayoutRead]:
    affiliate = await repository.get_affiliate_of(session, caller.user_id)
    place = Place(community, f"payouts:{affiliate.id}", cursor)
    rows = await repository.list_payouts(session, affiliate.id, place.values, limit)
    return page_of(rows, limit, PayoutRead.model_validate, lambda row: place.after(row.id))


@router.post("/v1/affiliates/me/payouts", access=MayWrite, status_code=201, response_model=PayoutRead)
async def request_own_payout(
    session: Write, caller: Caller, community: InCommunity, once: Idempotency, body: PayoutBody | None = None
) -> Response:
    """All that is available now, as one payout. 409 when that is less than the smallest payout."""

    async def act() -> PayoutRead:
        address = body.payout_email if body else None
        payout = await payouts.request_payout(session, caller.user_id, address, community.payout_terms, community.now)
        return PayoutRead.model_validate(payout)

    return await once.respond(session, act, status=201)
