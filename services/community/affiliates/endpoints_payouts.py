"""HTTP in, for staff: gathering payouts, and saying how they went."""

from typing import Literal
from uuid import UUID

from starlette.responses import Response

from services.community.affiliates import repository
from services.community.affiliates.schemas import FailedBody, PaidBody, PayoutRow, PayoutRun
from services.community.affiliates.usecases import payouts
from services.community.requests import InCommunity, Place
from shared.database import Read, Write
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, role

router = Router(tags=["affiliates, staff"])
PAYOUTS = "/v1/admin/community/payouts"
Status = Literal["pending", "paid", "failed"]
CSV: dict[int | str, dict[str, object]] = {
    200: {"description": "A line for each entry.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.get(PAYOUTS, access=role("admin"))
async def list_payouts(
    session: Read, community: InCommunity, status: Status | None = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[PayoutRow]:
    place = Place(community, f"all-payouts:{status}", cursor)
    rows = await repository.list_all_payouts(session, status, place.values, limit)
    return page_of(rows, limit, PayoutRow.model_validate, lambda row: place.after(row.id))


@router.post(PAYOUTS + "/run", access=role("admin"))
async def run_payouts(session: Write, community: InCommunity) -> PayoutRun:
    """Gather a payout for everybody to whom enough is available. Running twice pays nothing twice."""
    gathered = await payouts.run_payouts(session, community.payout_terms, community.now)
    rows = [PayoutRow.model_validate(payout) for payout in gathered]
    return PayoutRun(payouts=rows, complete=len(rows) < payouts.RUN_BATCH)


@router.post(PAYOUTS + "/{payout_id}/mark-paid", access=role("admin"))
async def mark_payout_paid(
    payout_id: UUID, session: Write, community: InCommunity, body: PaidBody | None = None
) -> PayoutRow:
    reference = body.reference if body else None
    return PayoutRow.model_validate(await payouts.mark_paid(session, payout_id, reference, community.now))


@router.post(PAYOUTS + "/{payout_id}/fail", access=role("admin"))
async def mark_payout_failed(payout_id: UUID, body: FailedBody, session: Write, community: InCommunity) -> PayoutRow:
    """Also for money that came back later: what was in the payout is available again."""
    return PayoutRow.model_validate(await payouts.mark_failed(session, payout_id, body.reason, community.now))


@router.get(PAYOUTS + "/{payout_id}.csv", access=role("admin"), responses=CSV, response_class=Response)
async def export_payout(payout_id: UUID, session: Read) -> Response:
    payout = await repository.get_payout(session, payout_id)
    affiliate = await repository.get_affiliate(session, payout.affiliate_id)
    entries = await repository.list_entries_of_payout(session, payout_id)
    name = f'attachment; filename="payout-{payout_id}.csv"'
    lines = payouts.to_csv(payout, affiliate, entries)
    return Response(lines, media_type="text/csv", headers={"Content-Disposition": name, "Cache-Control": "no-store"})
