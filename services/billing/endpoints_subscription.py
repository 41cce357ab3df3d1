"""HTTP in, for users: their subscription, its plan, its end, its pause, and Stripe's portal."""

from uuid import UUID

from starlette.responses import Response

from services.billing import repository
from services.billing.catalogue import CURRENCY
from services.billing.endpoints import IdempotencyKey, InRuntime
from services.billing.parts import BillingParts
from services.billing.schemas_subscription import (
    CancelRequest,
    ChangePreview,
    PlanChoice,
    PortalRead,
    PortalRequest,
    SubscriptionDetail,
    SubscriptionRead,
)
from services.billing.usecases import subscriptions
from services.billing.usecases.cancellation import End, change_end
from services.billing.usecases.pausing import pause, unpause
from services.billing.usecases.plan_changes import ChangeOrder, Changing, change_plan, preview_change
from services.billing.usecases.portal import open_portal
from shared.database import Read
from shared.identity import Caller
from shared.routing import Router, user
from shared.runtime import Runtime

router = Router(tags=["billing"])


@router.get("/v1/billing/subscription", access=user(scope="billing:read"))
async def read_subscription(caller: Caller, session: Read) -> SubscriptionRead:
    row = await repository.find_live_subscription(session, caller.user_id)
    return SubscriptionRead(subscription=SubscriptionDetail.model_validate(row) if row else None)


@router.post("/v1/billing/subscription/change/preview", access=user(scope="billing:write"))
async def preview_plan_change(body: PlanChoice, caller: Caller, runtime: InRuntime) -> ChangePreview:
    """What a change of plan costs and when it happens. For 15 minutes, the change costs exactly this."""
    order = ChangeOrder(caller.user_id, body.plan_id, body.interval)
    offer = await preview_change(_changing(runtime), order, currency=CURRENCY)
    return ChangePreview.of(offer)


@router.post("/v1/billing/subscription/change", access=user(scope="billing:write"))
async def change_subscription_plan(
    body: PlanChoice,
    caller: Caller,
    runtime: InRuntime,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> SubscriptionRead:
    """To a larger plan now, for the rest of the period's price; to a smaller one when the paid period ends."""
    order = ChangeOrder(caller.user_id, body.plan_id, body.interval, idempotency_key)
    if await change_plan(_changing(runtime), order):
        response.headers["Idempotency-Replayed"] = "true"
    return await _current(caller.user_id, runtime)


@router.post("/v1/billing/subscription/cancel", access=user(scope="billing:write"))
async def cancel_subscription(body: CancelRequest, caller: Caller, runtime: InRuntime) -> SubscriptionRead:
    """End the subscription with its period, or at once."""
    return await _change(caller.user_id, runtime, "with_period" if body.at_period_end else "now")


@router.post("/v1/billing/subscription/resume", access=user(scope="billing:write"))
async def resume_subscription(caller: Caller, runtime: InRuntime) -> SubscriptionRead:
    """Take back a cancellation that is still ahead, or end a pause."""
    parts: BillingParts = runtime.parts
    async with runtime.database.read() as session:
        row = await subscriptions.get_live(session, caller.user_id)
    if row.paused_from is None:
        return await _change(caller.user_id, runtime, "never")
    await unpause(runtime.database, parts.gateway, row, grace=parts.grace)
    return await _current(caller.user_id, runtime)


@router.post("/v1/billing/subscription/pause", access=user(scope="billing:write"))
async def pause_subscription(caller: Caller, runtime: InRuntime) -> SubscriptionRead:
    """Collect nothing more: the plan stays until the end of what is paid, and comes back with `resume`."""
    parts: BillingParts = runtime.parts
    async with runtime.database.read() as session:
        row = await subscriptions.get_live(session, caller.user_id)
    await pause(runtime.database, parts.gateway, row, grace=parts.grace)
    return await _current(caller.user_id, runtime)


@router.post("/v1/billing/portal", access=user(scope="billing:write"))
async def open_billing_portal(caller: Caller, runtime: InRuntime, body: PortalRequest | None = None) -> PortalRead:
    """A link to Stripe's page for cards, invoices and the subscription. It works for a few minutes."""
    parts: BillingParts = runtime.parts
    return_url = body.return_url if body else None
    public_url = runtime.settings.public_url
    url = await open_portal(runtime.database, parts.gateway, caller.user_id, return_url, public_url=public_url)
    return PortalRead(url=url)


async def _current(user_id: UUID, runtime: Runtime) -> SubscriptionRead:
    async with runtime.database.read() as session:
        row = await repository.find_live_subscription(session, user_id)
    return SubscriptionRead(subscription=SubscriptionDetail.model_validate(row) if row else None)


async def _change(user_id: UUID, runtime: Runtime, end: End) -> SubscriptionRead:
    parts: BillingParts = runtime.parts
    async with runtime.database.read() as session:
        row = await subscriptions.get_live(session, user_id)
    changed = await change_end(runtime.database, parts.gateway, row, end, grace=parts.grace)
    live = changed if changed and changed.status != "ended" else None
    return SubscriptionRead(subscription=SubscriptionDetail.model_validate(live) if live else None)


def _changing(runtime: Runtime) -> Changing:
    parts: BillingParts = runtime.parts
    return Changing(runtime.database, parts.gateway, parts.settings.livemode, parts.grace)
