"""HTTP in, for staff: what users were granted on top of their plan."""

from uuid import UUID

from starlette.responses import Response

from services.billing import repository_grants
from services.billing.endpoints import InRuntime
from services.billing.parts import BillingParts
from services.billing.schemas_history import GrantCreate, GrantRead
from services.billing.usecases import grants
from shared.database import Read, Write
from shared.idempotency import Idempotency
from shared.identity import Caller
from shared.pagination import Page
from shared.routing import Router, role

router = Router(tags=["billing admin"])


@router.post(
    "/v1/admin/billing/users/{user_id}/grants", access=role("admin"), status_code=201, response_model=GrantRead
)
async def give_grant(
    user_id: UUID, body: GrantCreate, caller: Caller, session: Write, runtime: InRuntime, once: Idempotency
) -> Response:
    """Give a user so much of a metric on top of their plan, at once. It is in their next snapshot of rights."""
    parts: BillingParts = runtime.parts
    order = grants.GrantOrder(user_id, body.metric, body.amount, body.expires_at, body.reason, caller.user_id)

    async def act() -> GrantRead:
        grant = await grants.give(session, order, now=runtime.clock.now(), grace=parts.grace)
        return GrantRead.model_validate(grant)

    return await once.respond(session, act, status=201)


@router.get("/v1/admin/billing/users/{user_id}/grants", access=role("admin"))
async def list_grants(user_id: UUID, session: Read) -> Page[GrantRead]:
    """All that the user was ever granted, what expires first coming first."""
    rows = await repository_grants.list_grants(session, user_id)
    return Page(items=[GrantRead.model_validate(row) for row in rows], next_cursor=None)
