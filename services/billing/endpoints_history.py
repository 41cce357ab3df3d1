"""HTTP in, for users: what else they can buy, their invoices, and why they were charged."""

from services.billing import repository_history, telling
from services.billing.catalogue import CURRENCY, PACKS
from services.billing.endpoints import InRuntime
from services.billing.models_history import Invoice
from services.billing.schemas_history import InvoiceRead, PackList, PackRead, TimelineItem
from shared.database import Read
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, public, user

router = Router(tags=["billing"])


@router.get("/v1/billing/packs", access=public)
async def list_packs() -> PackList:
    """What can be bought once, on top of any plan, with prices in cents. Order it at `POST /v1/billing/checkout`."""
    return PackList(
        items=[
            PackRead(
                pack_id=pack.pack_id,
                name=pack.name,
                price=pack.price,
                currency=CURRENCY,
                grants=pack.grants,
                months=pack.months,
            )
            for pack in PACKS.values()
        ]
    )


@router.get("/v1/billing/invoices", access=user(scope="billing:read"))
async def list_invoices(
    caller: Caller, session: Read, runtime: InRuntime, cursor: Cursor = None, limit: Limit = 20
) -> Page[InvoiceRead]:
    """The caller's invoices, newest first, with links to Stripe's page and PDF of each."""
    scope = f"invoices:{caller.user_id}"
    values = runtime.cursors.read(scope, cursor) if cursor else None
    rows = await repository_history.list_invoices(session, caller.user_id, cursor=values, limit=limit)

    def cursor_of(row: Invoice) -> str:
        return runtime.cursors.sign(scope, (row.issued_at, row.id))

    return page_of(rows, limit, InvoiceRead.model_validate, cursor_of)


@router.get("/v1/billing/timeline", access=user(scope="billing:read"))
async def read_timeline(
    caller: Caller, session: Read, runtime: InRuntime, cursor: Cursor = None, limit: Limit = 50
) -> Page[TimelineItem]:
    """All that happened to the caller's money, newest first: why there was a charge, and what came of it."""
    scope = f"timeline:{caller.user_id}"
    values = runtime.cursors.read(scope, cursor) if cursor else None
    rows = await repository_history.list_timeline(session, caller.user_id, cursor=values, limit=limit)
    told = await telling.tell_all(session, rows[:limit])
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    return Page(items=told, next_cursor=runtime.cursors.sign(scope, (last.at, last.id)) if last else None)
