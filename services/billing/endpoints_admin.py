"""HTTP in, for staff: payments, refunds, webhook events."""

from typing import Annotated
from uuid import UUID

from fastapi import Header
from starlette.responses import Response

from services.billing import repository
from services.billing.endpoints import InRuntime, SessionId, page_of_payments
from services.billing.models import WebhookEvent
from services.billing.parts import BillingParts
from services.billing.schemas import (
    DriftRead,
    InvariantsRead,
    PaymentRead,
    PaymentStatus,
    ReconcileRead,
    ReconcileRequest,
    RefundCreate,
    RefundDetail,
    RefundRead,
    ViolationRead,
    WebhookEventRead,
    WebhookStatus,
)
from services.billing.usecases.invariants import find_violations
from services.billing.usecases.reconcile import reconcile_some
from services.billing.usecases.refunds import RefundOrder, begin_refund, carry_out_refund
from services.billing.usecases.webhooks import replay_webhook
from shared.database import Read, Write
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, role

router = Router(tags=["billing admin"])


@router.get("/v1/admin/billing/payments", access=role("admin"))
async def list_all_payments(
    session: Read,
    runtime: InRuntime,
    user_id: UUID | None = None,
    status: PaymentStatus | None = None,
    session_id: SessionId = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Page[PaymentRead]:
    """Everybody's payments, or one user's, or a checkout session's, newest first."""
    wanted = {"user_id": user_id, "status": status, "stripe_session_id": session_id}
    return await page_of_payments(session, runtime, wanted, cursor, limit)


@router.post("/v1/admin/billing/payments/{payment_id}/refund", access=role("admin"))
async def refund_payment(
    payment_id: UUID,
    body: RefundCreate,
    caller: Caller,
    runtime: InRuntime,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> RefundRead:
    """Give money back, all of it or `amount` cents. A full refund also ends the subscription unless told otherwise."""
    parts: BillingParts = runtime.parts
    order = RefundOrder(payment_id, body.amount, body.reason, body.cancel_subscription, caller.user_id, idempotency_key)
    async with runtime.database.write() as session:
        refund, replayed = await begin_refund(session, order, now=runtime.clock.now())
    if refund.status == "requested":
        await carry_out_refund(runtime.database, parts.gateway, refund, grace=parts.grace)
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    async with runtime.database.read() as session:
        payment = PaymentRead.model_validate(await repository.get_payment(session, payment_id))
        made = RefundDetail.model_validate(await repository.get_refund(session, refund.id))
    return RefundRead.model_construct(**dict(payment), refund=made)


@router.get("/v1/admin/billing/webhook-events", access=role("admin"))
async def list_webhook_events(
    session: Read, runtime: InRuntime, status: WebhookStatus | None = None, cursor: Cursor = None, limit: Limit = 20
) -> Page[WebhookEventRead]:
    """Stripe's events as they were stored, newest first; DEAD ones wait for a replay."""
    scope = f"webhook_events:{status}"
    values = runtime.cursors.read(scope, cursor) if cursor else None
    rows = await repository.list_webhook_events(session, status=status, cursor=values, limit=limit)

    def cursor_of(row: WebhookEvent) -> str:
        return runtime.cursors.sign(scope, (row.received_at, row.id))

    return page_of(rows, limit, WebhookEventRead.model_validate, cursor_of)


@router.post("/v1/admin/billing/webhook-events/{event_id}/replay", access=role("admin"), status_code=202)
async def replay_webhook_event(event_id: UUID, session: Write, runtime: InRuntime) -> WebhookEventRead:
    """Process an event again; what it changed already stays changed once."""
    parts: BillingParts = runtime.parts
    event = await replay_webhook(session, event_id)
    session.after_commit(parts.arrived.set)
    return WebhookEventRead.model_validate(event)


@router.post("/v1/admin/billing/reconcile", access=role("admin"))
async def reconcile_books(body: ReconcileRequest, runtime: InRuntime) -> ReconcileRead:
    """Compare the customers who have waited longest with Stripe; `heal` puts our books right."""
    parts: BillingParts = runtime.parts
    compared, drifts = await reconcile_some(
        parts.worker_database, parts.gateway, heal=body.heal, limit=body.limit, grace=parts.grace
    )
    return ReconcileRead(compared=compared, drifts=[DriftRead.model_validate(drift) for drift in drifts])


@router.get("/v1/admin/billing/invariants", access=role("admin"))
async def check_invariants(session: Read, runtime: InRuntime) -> InvariantsRead:
    """What must always be true of the books, and what breaks it."""
    found = await find_violations(session, now=runtime.clock.now())
    return InvariantsRead(violations=[ViolationRead.model_validate(each) for each in found])
