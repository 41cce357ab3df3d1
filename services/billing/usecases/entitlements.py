"""What a user may do: one pure function of their subscription, published in full whenever its answer changes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.billing import repository, repository_grants
from services.billing.catalogue import FREE, PLANS
from services.billing.models import Customer, Subscription
from services.billing.repository_changes import list_upgrades
from services.billing.usecases.prorated_limits import prorated_limits
from shared.contracts.billing import EntitlementChanged
from shared.database import ReadSession, WriteSession
from shared.events.outbox import publish
from shared.periods import period_of

# A renewal whose webhook is late must not cut anybody off.
RENEWAL_LEEWAY = timedelta(days=7)


def entitlement(
    registered_at: datetime, subscription: Subscription | None, now: datetime, grace: timedelta, *, frozen: bool = False
) -> dict[str, Any]:
    """The snapshot of rights, without its version. `grace` is how long a past-due plan is kept.

    `frozen`: the money for the subscription is disputed or was taken back by the bank, so it opens nothing.
    """
    if subscription is None or frozen or not has_access(subscription, now, grace):
        return _snapshot(FREE, "frozen" if frozen else "active", registered_at, None)
    ends = subscription.cancel_at or subscription.paused_from or subscription.period_end + RENEWAL_LEEWAY + grace
    return _snapshot(subscription.plan_id, subscription.status, subscription.started_at, ends)


def has_access(subscription: Subscription, now: datetime, grace: timedelta) -> bool:
    """Whether a subscription opens its plan right now."""
    if subscription.paused_from is not None and subscription.paused_from <= now:
        return False
    if subscription.status == "past_due":
        since = subscription.past_due_since or now
        return now < since + grace
    return subscription.status in {"active", "trialing"}


def _snapshot(plan_id: str, status: str, anchor: datetime, valid_until: datetime | None) -> dict[str, Any]:
    plan = PLANS[plan_id]
    return {
        "plan_id": plan_id,
        "status": status,
        "limits": plan.limits,
        "grants": [],
        "features": {},
        "max_running": plan.max_running,
        "weight": plan.weight,
        "period_anchor": anchor.isoformat(),
        "valid_until": valid_until.isoformat() if valid_until else None,
    }


async def current_entitlement(
    session: ReadSession, customer: Customer | None, user_id: UUID, *, now: datetime, grace: timedelta
) -> dict[str, Any]:
    """The user's rights right now; somebody we have not heard of has the free plan."""
    row = await repository.find_live_subscription(session, user_id)
    frozen = row is not None and await repository.is_disputed(session, row.stripe_subscription_id)
    rights = entitlement(customer.registered_at if customer else now, row, now, grace, frozen=frozen)
    rights["grants"] = await live_grants(session, user_id, now)
    if row is None or rights["plan_id"] == FREE:
        return rights
    upgrades = await list_upgrades(session, row.stripe_subscription_id, since=period_of(row.started_at, now)[0])
    return {**rights, "limits": prorated_limits(row.plan_id, row.started_at, upgrades, now)}


async def live_grants(session: ReadSession, user_id: UUID, now: datetime) -> list[dict[str, Any]]:
    """What the user holds on top of any plan, in the order in which it is used up: what expires first goes first."""
    return [
        {
            "grant_id": str(grant.id),
            "metric": grant.metric,
            "amount": grant.left,
            "expires_at": grant.expires_at.astimezone(UTC).isoformat() if grant.expires_at else None,
        }
        for grant in await repository_grants.list_grants(session, user_id)
        if grant.is_live(now)
    ]


async def publish_entitlement(session: WriteSession, user_id: UUID, *, now: datetime, grace: timedelta) -> None:
    """Publish the user's entitlement if it differs from what was published last."""
    await session.flush()
    customer = await get_or_create_customer(session, user_id, now=now)
    current = await current_entitlement(session, customer, user_id, now=now, grace=grace)
    if customer.entitlement == current:
        return
    customer.entitlement, customer.updated_at = current, now
    customer.entitlement_version += 1
    event = EntitlementChanged.model_validate({**current, "user_id": user_id, "version": customer.entitlement_version})
    await publish(session, event, sequence=customer.entitlement_version)


async def get_or_create_customer(session: WriteSession, user_id: UUID, *, now: datetime) -> Customer:
    """The locked customer row. A user we have not heard of yet gets one; user.registered corrects its date."""
    known = await repository.lock_customer(session, user_id)
    if known is not None:
        return known
    return await repository.add_customer(session, user_id, now=now)
