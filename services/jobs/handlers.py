"""Events in: what billing allows, and whom accounts has locked out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert

from services.jobs import erasure, repository, usecases
from services.jobs.entitlements import allowance_of
from services.jobs.models import Entitlement, Job, StreamEnd, TenantLane
from services.jobs.models_usage import UsageCounter
from shared.contracts.accounts import (
    SessionRevoked,
    UserDeleted,
    UserDeletionRequested,
    UserDisabled,
    UserEnabled,
    UserRegistered,
)
from shared.contracts.billing import EntitlementChanged
from shared.database import WriteSession
from shared.events.event import EventContext

# Every lane first: a second one locked after the usage counters could be waited for in a circle.
_LOCK_LANES = text("SELECT lane FROM tenant_lanes WHERE user_id = :user_id ORDER BY lane FOR NO KEY UPDATE")
_CANCEL_ALL = text("""
    SELECT jobs_cancel_v1(job_id, 'system', CAST(:now AS timestamptz))
      FROM (SELECT job_id FROM job_queue WHERE user_id = :user_id ORDER BY lane, seq) mine
""")


async def keep_entitlement(session: WriteSession, event: EntitlementChanged, context: EventContext) -> None:
    """Take over the snapshot unless a newer one was here before; work that waits follows it at once."""
    if await erasure.is_erased(session, event.user_id):
        return
    known = await repository.lock_entitlement(session, event.user_id)
    if known is not None and known.version >= event.version:
        return
    before = allowance_of(known, context.occurred_at) if known and known.version == 0 else None
    row = {**_columns(event), "updated_at": context.runtime.clock.now()}
    statement = insert(Entitlement).values(row)
    updates = {name: value for name, value in row.items() if name != "user_id"}
    await session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=updates))
    lanes = update(TenantLane).where(TenantLane.user_id == event.user_id)
    await session.execute(lanes.values(weight=event.weight, max_running=event.max_running))
    if before is not None:
        after = allowance_of(Entitlement(**row), context.occurred_at)
        period = {"period_start": after.period_start, "period_end": after.period_end}
        await _move_period(session, before.period_start, event, period)


async def _move_period(
    session: WriteSession, start: datetime, event: EntitlementChanged, period: dict[str, datetime]
) -> None:
    """Carry what was used before billing first spoke into the period that it names: a later anchor refills nothing."""
    if start == period["period_start"]:
        return
    jobs = update(Job).where(Job.user_id == event.user_id, Job.period_start == start)
    await session.execute(jobs.where(Job.status.in_(("PENDING", "PROCESSING"))).values(period))
    counters = update(UsageCounter).where(UsageCounter.user_id == event.user_id, UsageCounter.period_start == start)
    await session.execute(counters.values(period))


def _columns(event: EntitlementChanged) -> dict[str, object]:
    same = ("user_id", "version", "plan_id", "status", "limits", "features", "max_running", "weight")
    return {
        **{name: getattr(event, name) for name in same},
        "grants": [grant.model_dump(mode="json") for grant in event.grants],
        "period_anchor": event.period_anchor,
        "valid_until": event.valid_until,
    }


async def welcome_user(session: WriteSession, event: UserRegistered, context: EventContext) -> None:
    """The free plan counts from the registration, unless billing has already said otherwise."""
    if await erasure.is_erased(session, event.user_id):
        return
    await usecases.begin_free_plan(session, event.user_id, event.registered_at, context.runtime.clock.now())


async def lock_out(session: WriteSession, event: UserDisabled, context: EventContext) -> None:
    """Nothing new, nothing running, no open stream."""
    if not await erasure.is_erased(session, event.user_id):
        await _call_off(session, event.user_id, context.runtime.clock.now())


async def _call_off(session: WriteSession, user_id: UUID, now: datetime) -> None:
    await usecases.begin_free_plan(session, user_id, now, now)
    await _set_disabled(session, user_id, now)
    await session.execute(_LOCK_LANES, {"user_id": user_id})
    await session.execute(_CANCEL_ALL, {"user_id": user_id, "now": now})
    session.add(StreamEnd(user_id=user_id))
    session.info["published"] = True


async def erase_user(session: WriteSession, event: UserDeletionRequested | UserDeleted, context: EventContext) -> None:
    """Call everything off; a timer erases the rest once it has ended. The last word about a user asks once more."""
    await _call_off(session, event.user_id, context.runtime.clock.now())
    await erasure.ask_for_erasure(session, event.user_id, event.request_id, context.runtime.clock.now())


async def let_in(session: WriteSession, event: UserEnabled, _context: EventContext) -> None:
    await _set_disabled(session, event.user_id, None)


async def _set_disabled(session: WriteSession, user_id: UUID, at: datetime | None) -> None:
    await session.execute(update(Entitlement).where(Entitlement.user_id == user_id).values(disabled_at=at))


async def end_streams(session: WriteSession, event: SessionRevoked, _context: EventContext) -> None:
    """Order the end of open streams; every process that has one finds the order at its next look."""
    ended = [None] if event.all else list(event.session_ids)
    session.add_all(StreamEnd(user_id=event.user_id, session_id=session_id) for session_id in ended)
