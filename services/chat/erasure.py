"""Forgetting a user: every word they said and heard, and everything that was known of them, in one transaction."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert

from services.chat import known, repository
from services.chat.models import ChatSession, Entitlement, ErasedUser, StreamEnd, UsageCounter
from services.chat.usecases.sessions import STOP_OPEN_ANSWER
from shared.database import ReadSession, WriteSession

_FORGET_DRAWS = text("DELETE FROM grant_draws WHERE user_id = :user_id")


async def is_erased(session: ReadSession, user_id: UUID) -> bool:
    return await session.get(ErasedUser, user_id) is not None


async def erase_user(session: WriteSession, user_id: UUID, now: datetime) -> int | None:
    """Returns how many conversations were erased, None when the user had been erased before."""
    tombstone = insert(ErasedUser).values(user_id=user_id, erased_at=now).on_conflict_do_nothing()
    if await session.scalar(tombstone.returning(ErasedUser.user_id)) is None:
        return None
    session_ids = await repository.lock_session_ids(session, user_id)
    for session_id in session_ids:
        await session.execute(STOP_OPEN_ANSWER, {"session_id": session_id, "reason": "deleted", "now": now})
    await session.execute(delete(ChatSession).where(ChatSession.id.in_(session_ids)))
    await known.forget_user(session, user_id)
    for table in (UsageCounter, Entitlement):
        await session.execute(delete(table).where(table.user_id == user_id))
    await session.execute(_FORGET_DRAWS, {"user_id": user_id})
    session.add(StreamEnd(user_id=user_id))
    session.info["published"] = True
    return len(session_ids)
