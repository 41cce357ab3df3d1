"""HTTP in, for staff: who may earn, and how much."""

from typing import Literal
from uuid import UUID

from services.community.affiliates import repository
from services.community.affiliates.schemas import AffiliateRow, RateBody
from services.community.affiliates.usecases import membership
from services.community.requests import InCommunity, Place
from shared.database import Read, Write
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, role

router = Router(tags=["affiliates, staff"])
Status = Literal["pending", "approved", "rejected", "suspended"]


@router.get("/v1/admin/community/affiliates", access=role("admin"))
async def list_affiliates(
    session: Read, community: InCommunity, status: Status | None = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[AffiliateRow]:
    place = Place(community, f"affiliates:{status}", cursor)
    rows = await repository.list_affiliates(session, status, place.values, limit)
    return page_of(rows, limit, AffiliateRow.model_validate, lambda row: place.after(row.id))


@router.post("/v1/admin/community/affiliates/{affiliate_id}/approve", access=role("admin"))
async def approve_affiliate(affiliate_id: UUID, session: Write, community: InCommunity) -> AffiliateRow:
    return AffiliateRow.model_validate(await membership.approve(session, affiliate_id, community.now))


@router.post("/v1/admin/community/affiliates/{affiliate_id}/reject", access=role("admin"))
async def reject_affiliate(affiliate_id: UUID, session: Write, community: InCommunity) -> AffiliateRow:
    return AffiliateRow.model_validate(await membership.reject(session, affiliate_id, community.now))


@router.post("/v1/admin/community/affiliates/{affiliate_id}/suspend", access=role("admin"))
async def suspend_affiliate(affiliate_id: UUID, session: Write, community: InCommunity) -> AffiliateRow:
    return AffiliateRow.model_validate(await membership.suspend(session, affiliate_id, community.now))


@router.post("/v1/admin/community/affiliates/{affiliate_id}/rate", access=role("admin"))
async def change_affiliate_rate(
    affiliate_id: UUID, body: RateBody, session: Write, community: InCommunity
) -> AffiliateRow:
    """Payments from now on earn at this rate; earlier ones keep theirs."""
    changed = await membership.change_rate(session, affiliate_id, body.commission_rate_bp, community.now)
    return AffiliateRow.model_validate(changed)
