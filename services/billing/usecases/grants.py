"""Grants: what a pack or a member of staff gives on top of a plan. Plans, renewals and plan changes never touch them.

What is left of a bought one follows from its payment alone and is computed anew each time, so the order in which
refunds, disputes and their reversals arrive does not matter.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.billing import repository, repository_grants
from services.billing.catalogue import PACKS
from services.billing.errors import GrantInThePast, UserNotFound
from services.billing.models import Payment
from services.billing.models_grants import Grant
from services.billing.transitions import FREEZING_DISPUTES
from services.billing.usecases import timeline
from services.billing.usecases.entitlements import publish_entitlement
from shared.contracts.metrics import Metric
from shared.database import Database, WriteSession
from shared.ids import new_id
from shared.money import share_of
from shared.periods import months_after


@dataclass(frozen=True, slots=True)
class GrantOrder:
    """What staff gives to somebody, and why. Without `expires_at` it stays until it is used up."""

    user_id: UUID
    metric: Metric
    amount: int
    expires_at: datetime | None
    reason: str
    granted_by: UUID


async def follow_payment(session: WriteSession, payment: Payment, *, now: datetime) -> None:
    """Bring the grants of a payment in line with it: given once it is paid, taken back as its money goes back."""
    pack = PACKS.get(payment.plan_id) if payment.kind == "one_time" else None
    if pack is None or payment.paid_at is None:
        return
    grants = await repository_grants.list_grants_of(session, payment.id)
    if not grants:
        grants = [_bought(payment, pack.pack_id, metric, amount, now) for metric, amount in pack.grants.items()]
        session.add_all(grants)
        await session.flush()
        for grant in grants:
            await _keep(session, grant, "grant.given", grant.amount, payment.paid_at)
    kept = payment.refundable - await repository_grants.sum_lost_disputes(session, payment.id)
    for grant in grants:
        await _settle(session, grant, payment, kept, now)


def _bought(payment: Payment, pack_id: str, metric: str, amount: int, now: datetime) -> Grant:
    """Its time counts from the moment the money arrived, so that hearing of it late costs nobody a day."""
    assert payment.paid_at is not None
    return Grant(
        id=new_id(),
        user_id=payment.user_id,
        payment_id=payment.id,
        pack_id=pack_id,
        metric=metric,
        amount=amount,
        taken_back=0,
        is_frozen=False,
        expires_at=months_after(payment.paid_at, PACKS[pack_id].months),
        version=1,
        created_at=now,
        updated_at=now,
    )


async def _settle(session: WriteSession, grant: Grant, payment: Payment, kept: int, now: datetime) -> None:
    taken = grant.amount - units_paid_for(grant.amount, payment.amount, kept)
    frozen = payment.dispute_state in FREEZING_DISPUTES
    if (grant.taken_back, grant.is_frozen) == (taken, frozen):
        return
    change = taken - grant.taken_back
    grant.taken_back, grant.is_frozen, grant.updated_at = taken, frozen, now
    grant.version += 1
    if change:
        await _keep(session, grant, "grant.taken_back" if change > 0 else "grant.given_back", abs(change), now)


def units_paid_for(units: int, paid: int, kept: int) -> int:
    """The part of `units` for the part of the money that was kept, in whole units, never more than was paid for.

    A pack that cost nothing, by a promotion code, is not taken back: no money of it can go anywhere.
    """
    return share_of(units, max(0, kept), paid) if paid else units


async def give(session: WriteSession, order: GrantOrder, *, now: datetime, grace: timedelta) -> Grant:
    """A grant by staff, in force at once. Raises UserNotFound, GrantInThePast."""
    if await repository.find_customer(session, order.user_id) is None:
        raise UserNotFound
    if order.expires_at is not None and order.expires_at <= now:
        raise GrantInThePast
    grant = Grant(
        id=new_id(),
        user_id=order.user_id,
        metric=order.metric,
        amount=order.amount,
        taken_back=0,
        is_frozen=False,
        expires_at=order.expires_at,
        reason=order.reason,
        granted_by=order.granted_by,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.add(grant)
    await session.flush()
    await _keep(session, grant, "grant.given", grant.amount, now)
    await publish_entitlement(session, order.user_id, now=now, grace=grace)
    return grant


async def expire_grants(database: Database, *, grace: timedelta) -> int:
    """Tell everybody whose grants have run out of the rights that are left. Returns how many grants had."""
    now = database.clock.now()
    async with database.write() as session:
        due = await repository_grants.lock_due_grants(session, now)
        for grant in due:
            grant.expired_at, grant.updated_at = now, now
            grant.version += 1
            await _keep(session, grant, "grant.expired", None, grant.expires_at or now)
        # In one order, since the customers' rows are locked one after the other.
        for user_id in sorted({grant.user_id for grant in due}):
            await publish_entitlement(session, user_id, now=now, grace=grace)
    return len(due)


async def _keep(session: WriteSession, grant: Grant, kind: str, units: int | None, at: datetime) -> None:
    details = {
        "grant_id": str(grant.id),
        "pack_id": grant.pack_id,
        "metric": grant.metric,
        "units": units,
        "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
        "reason": grant.reason,
    }
    await timeline.keep(
        session,
        user_id=grant.user_id,
        kind=kind,
        subject=f"grant/{grant.id}",
        sequence=grant.version,
        at=at,
        payment_id=grant.payment_id,
        details=details,
    )
