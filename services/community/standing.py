"""Who may act here: accounts disables and enables, and a token outlives that by a minute at most."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert

from services.community.errors import AccountDisabled
from services.community.models import Standing
from shared.database import ReadSession, WriteSession


async def set_disabled(session: WriteSession, user_id: UUID, at: datetime | None) -> None:
    """Disable the user since `at`, or enable them with None."""
    news = {"disabled_at": at}
    known = insert(Standing).values(user_id=user_id, **news)
    await session.execute(known.on_conflict_do_update(index_elements=["user_id"], set_=news))


async def set_erased(session: WriteSession, user_id: UUID, at: datetime) -> bool:
    """Leave the tombstone; returns False when it stood there before."""
    known = insert(Standing).values(user_id=user_id, erased_at=at)
    first = known.on_conflict_do_update(
        index_elements=["user_id"], set_={"erased_at": at}, where=Standing.erased_at.is_(None)
    )
    return (await session.scalar(first.returning(Standing.user_id))) is not None


async def is_erased(session: ReadSession, user_id: UUID) -> bool:
    statement = select(Standing.user_id).where(Standing.user_id == user_id, Standing.erased_at.is_not(None))
    return (await session.scalar(statement)) is not None


async def check_may_act(session: ReadSession, user_id: UUID) -> None:
    """Raises AccountDisabled for a user who was disabled or erased while their token was still good."""
    if user_id in await find_barred(session, {user_id}):
        raise AccountDisabled


async def find_barred(session: ReadSession, user_ids: set[UUID]) -> set[UUID]:
    """Which of these users may do nothing now."""
    barred = or_(Standing.disabled_at.is_not(None), Standing.erased_at.is_not(None))
    return set((await session.scalars(select(Standing.user_id).where(Standing.user_id.in_(user_ids), barred))).all())
