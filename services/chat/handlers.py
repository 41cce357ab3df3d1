"""Events in: the FAQ, what billing allows, and whom accounts has locked out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from services.chat import erasure, known, repository
from services.chat.allowance import allowance_of, free_entitlement
from services.chat.models import ChatMessage, Entitlement, FaqEntry, StreamEnd, UsageCounter
from shared.contracts.accounts import (
    SessionRevoked,
    UserDeleted,
    UserDeletionRequested,
    UserDisabled,
    UserEnabled,
    UserRegistered,
    UserUpdated,
)
from shared.contracts.billing import EntitlementChanged
from shared.contracts.common import UserErased
from shared.contracts.community import FaqItemPublished, FaqItemUnpublished
from shared.contracts.jobs import BatchCompleted, JobResultExpired, JobResultExpiring
from shared.database import WriteSession
from shared.events.event import EventContext
from shared.events.outbox import publish


async def publish_item(session: WriteSession, event: FaqItemPublished, context: EventContext) -> None:
    await _keep_item(session, event, context.runtime.clock.now(), is_published=True)


async def withdraw_item(session: WriteSession, event: FaqItemUnpublished, context: EventContext) -> None:
    await _keep_item(session, event, context.runtime.clock.now(), is_published=False)


async def _keep_item(
    session: WriteSession, event: FaqItemPublished | FaqItemUnpublished, now: datetime, *, is_published: bool
) -> None:
    """The newest version wins, whatever the order in which they come."""
    same = ("item_id", "version", "locale", "category", "question", "answer")
    row = {**{name: getattr(event, name) for name in same}, "is_published": is_published, "updated_at": now}
    statement = insert(FaqEntry).values(row)
    newer = FaqEntry.version < statement.excluded.version
    await session.execute(statement.on_conflict_do_update(index_elements=["item_id"], set_=row, where=newer))


async def keep_entitlement(session: WriteSession, event: EntitlementChanged, context: EventContext) -> None:
    """Take over the snapshot unless a newer one was here before."""
    if await erasure.is_erased(session, event.user_id):
        return
    last = await repository.lock_entitlement(session, event.user_id)
    if last is not None and last.version >= event.version:
        return
    before = allowance_of(last, context.occurred_at).period_start if last and last.version == 0 else None
    row = {**_columns(event), "updated_at": context.runtime.clock.now()}
    statement = insert(Entitlement).values(row)
    await session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=row))
    if before is not None:
        await _move_period(session, event.user_id, before, Entitlement(**row), context.occurred_at)


async def _move_period(
    session: WriteSession, user_id: UUID, start: datetime, entitlement: Entitlement, now: datetime
) -> None:
    """Carry what was used before billing first spoke into the period that it names: a later anchor refills nothing."""
    after = allowance_of(entitlement, now)
    if start == after.period_start:
        return
    period = {"period_start": after.period_start, "period_end": after.period_end}
    answers = update(ChatMessage).where(ChatMessage.payer_id == user_id, ChatMessage.period_start == start)
    await session.execute(answers.where(ChatMessage.status == "STREAMING").values(period))
    counters = update(UsageCounter).where(UsageCounter.user_id == user_id, UsageCounter.period_start == start)
    await session.execute(counters.values(period))


def _columns(event: EntitlementChanged) -> dict[str, object]:
    return {
        **{name: getattr(event, name) for name in ("user_id", "version", "plan_id", "limits", "period_anchor")},
        "grants": [grant.model_dump(mode="json") for grant in event.grants],
    }


async def erase_user(session: WriteSession, event: UserDeletionRequested | UserDeleted, context: EventContext) -> None:
    """The last word about a user asks once more, should the first have been lost here."""
    sessions = await erasure.erase_user(session, event.user_id, context.runtime.clock.now())
    if sessions is not None:
        erased = UserErased(request_id=event.request_id, service="chat", counts={"chat_sessions": sessions})
        await publish(session, erased, sequence=1)


async def note_user(session: WriteSession, event: UserUpdated, context: EventContext) -> None:
    if not await erasure.is_erased(session, event.user_id):
        await known.note_user(session, event, context.sequence)


async def note_job(session: WriteSession, event: known.JobFact, context: EventContext) -> None:
    if not await erasure.is_erased(session, event.user_id):
        await known.note_job(session, event, context.occurred_at)


async def note_expiry(
    session: WriteSession, event: JobResultExpiring | JobResultExpired, context: EventContext
) -> None:
    await known.note_expiry(session, event, context.occurred_at)


async def note_batch(session: WriteSession, event: BatchCompleted, context: EventContext) -> None:
    if not await erasure.is_erased(session, event.user_id):
        await known.note_batch(session, event, context.occurred_at)


async def welcome_user(session: WriteSession, event: UserRegistered, context: EventContext) -> None:
    """The free plan counts from the registration, unless billing has already said otherwise."""
    if await erasure.is_erased(session, event.user_id):
        return
    await known.note_user(session, event, context.sequence)
    await _begin_free_plan(session, event.user_id, event.registered_at, context.runtime.clock.now())


async def _begin_free_plan(session: WriteSession, user_id: UUID, anchor: datetime, now: datetime) -> None:
    free = free_entitlement(user_id, anchor, now)
    values = {column.key: getattr(free, column.key) for column in Entitlement.__table__.columns}
    await session.execute(insert(Entitlement).values(values).on_conflict_do_nothing())


async def lock_out(session: WriteSession, event: UserDisabled, context: EventContext) -> None:
    """Nothing new is said, and open streams end."""
    if await erasure.is_erased(session, event.user_id):
        return
    now = context.runtime.clock.now()
    if await _set_access(session, event.user_id, context, disabled_at=now):
        session.add(StreamEnd(user_id=event.user_id))


async def let_in(session: WriteSession, event: UserEnabled, context: EventContext) -> None:
    await _set_access(session, event.user_id, context, disabled_at=None)


async def _set_access(
    session: WriteSession, user_id: UUID, context: EventContext, *, disabled_at: datetime | None
) -> bool:
    """What accounts said last counts: a word that is replayed or late opens no account that was closed after it."""
    now = context.runtime.clock.now()
    await _begin_free_plan(session, user_id, now, now)
    older = update(Entitlement).where(Entitlement.user_id == user_id, Entitlement.access_version < context.sequence)
    told = older.values(disabled_at=disabled_at, access_version=context.sequence).returning(Entitlement.user_id)
    return await session.scalar(told) is not None


async def end_streams(session: WriteSession, event: SessionRevoked, _context: EventContext) -> None:
    """Order the end of open streams; each of them finds the order at its next look."""
    ended = [None] if event.all else list(event.session_ids)
    session.add_all(StreamEnd(user_id=event.user_id, session_id=session_id) for session_id in ended)
