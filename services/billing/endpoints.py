"""HTTP in, for users: plans, checkout, subscription, payments; and for Stripe: its webhooks."""

import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from starlette.responses import Response

from services.billing import repository, repository_changes
from services.billing.catalogue import CURRENCY, INTERVAL_OF, PLANS
from services.billing.models import Checkout, Payment
from services.billing.parts import BillingParts
from services.billing.schemas import (
    CheckoutCreate,
    CheckoutRead,
    CheckoutSessionCreate,
    CheckoutSessionRead,
    CheckoutStatus,
    EntitlementRead,
    PaymentAttemptList,
    PaymentAttemptRead,
    PaymentRead,
    PaymentStatus,
    PlanList,
    PlanRead,
)
from services.billing.transitions import SETTLED
from services.billing.usecases.checkout import CheckoutOrder, start_checkout
from services.billing.usecases.entitlements import current_entitlement
from services.billing.usecases.webhooks import read_webhook, store_webhook
from shared.database import Read, Write
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, public, user
from shared.runtime import Runtime

router = Router(tags=["billing"])


async def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


InRuntime = Annotated[Runtime, Depends(_runtime)]
SessionId = Annotated[str | None, Query(min_length=1, max_length=255, pattern="^[A-Za-z0-9_]+$")]
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255)]


@router.get("/v1/billing/plans", access=public)
async def list_plans() -> PlanList:
    """Every plan with its prices in cents and its limits per month."""
    return PlanList(
        items=[
            PlanRead(
                plan_id=plan.plan_id,
                name=plan.name,
                prices={str(interval): price for interval, price in plan.prices.items()},
                currency=CURRENCY,
                limits=plan.limits,
                features={},
                max_running=plan.max_running,
            )
            for plan in PLANS.values()
        ]
    )


@router.post("/v1/billing/checkout", access=user(scope="billing:write"), status_code=201)
async def create_checkout(
    body: CheckoutCreate,
    caller: Caller,
    runtime: InRuntime,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> CheckoutRead:
    """Open a checkout session at Stripe for a plan, or for a pack that is bought once on top of any plan.

    Send the customer to `url`; nothing is granted before the money is there.
    """
    order = CheckoutOrder(
        caller.user_id,
        body.product_id,
        body.interval,
        body.promotion_code,
        body.success_url,
        body.cancel_url,
        idempotency_key,
    )
    checkout = await _checkout(order, runtime, response)
    return CheckoutRead.model_validate(
        {
            "checkout_id": checkout.id,
            "session_id": checkout.stripe_session_id,
            "url": checkout.url,
            "expires_at": checkout.expires_at,
        }
    )


@router.post("/api/checkout/create-session", access=user(scope="billing:write"), status_code=201)
async def create_checkout_session(
    body: CheckoutSessionCreate,
    caller: Caller,
    runtime: InRuntime,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> CheckoutSessionRead:
    """The published name of `POST /v1/billing/checkout`."""
    interval = INTERVAL_OF[body.billing_cycle]
    order = CheckoutOrder(caller.user_id, body.plan_id, interval, None, None, None, idempotency_key)
    checkout = await _checkout(order, runtime, response)
    return CheckoutSessionRead.model_validate({"session_id": checkout.stripe_session_id, "url": checkout.url})


async def _checkout(order: CheckoutOrder, runtime: Runtime, response: Response) -> Checkout:
    parts: BillingParts = runtime.parts
    checkout, replayed = await start_checkout(runtime.database, parts.gateway, order, parts.terms)
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return checkout


@router.get("/v1/billing/checkout/{checkout_id}", access=user(scope="billing:read"))
async def read_checkout(checkout_id: UUID, caller: Caller, session: Read) -> CheckoutStatus:
    """What became of a checkout. The success page asks this; it never grants anything itself."""
    checkout = await repository.get_checkout_of(session, checkout_id, caller.user_id)
    payment = await repository.get_payment_of_checkout(session, checkout.id)
    paid = payment.status in SETTLED
    status = {"reserved": "open", "open": "open", "complete": "complete"}.get(checkout.status, "expired")
    return CheckoutStatus.model_validate(
        {
            "checkout_id": checkout.id,
            "plan_id": checkout.plan_id,
            "status": "complete" if paid else status,
            "payment_status": "paid" if paid else "unpaid",
        }
    )


@router.get("/v1/billing/entitlement", access=user(scope="billing:read"))
async def read_entitlement(caller: Caller, session: Read, runtime: InRuntime) -> EntitlementRead:
    """What the user may do right now; a new user has the free plan at once."""
    parts: BillingParts = runtime.parts
    now = runtime.clock.now()
    customer = await repository.find_customer(session, caller.user_id)
    snapshot = await current_entitlement(session, customer, caller.user_id, now=now, grace=parts.grace)
    version = customer.entitlement_version if customer else 0
    return EntitlementRead.model_validate({**snapshot, "user_id": caller.user_id, "version": version})


@router.get("/v1/billing/payments", access=user(scope="billing:read"))
async def list_payments(
    caller: Caller,
    session: Read,
    runtime: InRuntime,
    status: PaymentStatus | None = None,
    session_id: SessionId = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Page[PaymentRead]:
    """The caller's payments, newest first; `session_id` finds the one of a checkout session."""
    wanted = {"user_id": caller.user_id, "status": status, "stripe_session_id": session_id}
    return await page_of_payments(session, runtime, wanted, cursor, limit)


async def page_of_payments(
    session: Read, runtime: Runtime, wanted: dict[str, Any], cursor: str | None, limit: int
) -> Page[PaymentRead]:
    scope = f"payments:{sorted(wanted.items())}"
    values = runtime.cursors.read(scope, cursor) if cursor else None
    rows = await repository.list_payments(session, wanted, cursor=values, limit=limit)

    def cursor_of(row: Payment) -> str:
        return runtime.cursors.sign(scope, (row.created_at, row.id))

    return page_of(rows, limit, PaymentRead.model_validate, cursor_of)


@router.get("/v1/billing/payments/{payment_id}", access=user(scope="billing:read"))
async def read_payment(payment_id: UUID, caller: Caller, session: Read) -> PaymentRead:
    return PaymentRead.model_validate(await repository.get_payment_of(session, payment_id, caller.user_id))


@router.get("/v1/billing/payments/{payment_id}/attempts", access=user(scope="billing:read"))
async def list_payment_attempts(payment_id: UUID, caller: Caller, session: Read) -> PaymentAttemptList:
    """The failed attempts to collect a payment, oldest first; a payment that came at once has none."""
    payment = await repository.get_payment_of(session, payment_id, caller.user_id)
    attempts = await repository_changes.list_attempts(session, payment.id)
    return PaymentAttemptList(items=[PaymentAttemptRead.model_validate(attempt) for attempt in attempts])


@router.post("/v1/webhooks/stripe", access=public)
async def receive_webhook(
    request: Request, session: Write, runtime: InRuntime, stripe_signature: Annotated[str, Header()] = ""
) -> dict[str, bool]:
    """Stripe's events: verified on the raw bytes, stored once, answered; the work comes after."""
    parts: BillingParts = runtime.parts
    event, payload = read_webhook(
        await request.body(),
        stripe_signature,
        parts.settings.webhook_secrets,
        now=time.time(),
        livemode=parts.settings.livemode,
    )
    await store_webhook(session, event, payload)
    session.after_commit(parts.arrived.set)
    return {"received": True}
