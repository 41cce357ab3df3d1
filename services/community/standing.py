"""Who may act here: accounts disables and enables, and a token outlives that by a minute at most."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.dialects.postgresql import insert

from services.community.errors import AccountDisabled
from services.community.models import Standing
from shared.database import ReadSession, WriteSession


async def set_disabled(session: WriteSession, user_id: UUID, at: datetime | None) -> None:
    """Disable the user since `at`, or enable them with None."""
    await _set(session, user_id, {"disabled_at": at})


async def set_silenced(session: WriteSession, user_id: UUID, until: datetime | None) -> None:
    """Let the user write nothing new in the forum until then; None lets them speak."""
    await _set(session, user_id, {"silenced_until": until})


async def set_banned(session: WriteSession, user_id: UUID, at: datetime | None) -> None:
    """Let the user change nothing in the forum since `at`; None lets them back in."""
    await _set(session, user_id, {"banned_at": at})


async def _set(session: WriteSession, user_id: UUID, news: Mapping[str, object]) -> None:
    known = insert(Standing).values(user_id=user_id, **news)
    await session.execute(known.on_conflict_do_update(index_elements=["user_id"], set_=news))


async def note_roles(session: WriteSession, user_id: UUID, roles: list[str], version: int) -> None:
    """Keep the newest roles that accounts told. An erased user has none."""
    await _note(session, user_id, {"roles": roles, "roles_version": version}, Standing.roles_version < version)


async def note_plan(session: WriteSession, user_id: UUID, version: int, *, is_paying: bool) -> None:
    """Keep whether the newest snapshot of billing is of a paid plan. An erased user has none."""
    news = {"is_paying": is_paying, "plan_version": version}
    await _note(session, user_id, news, Standing.plan_version < version)


async def _note(
    session: WriteSession, user_id: UUID, news: Mapping[str, object], is_newer: ColumnElement[bool]
) -> None:
    known = insert(Standing).values(user_id=user_id, **news)
    where = and_(is_newer, Standing.erased_at.is_(None))
    await session.execute(known.on_conflict_do_update(index_elements=["user_id"], set_=news, where=where))


async def set_erased(session: WriteSession, user_id: UUID, at: datetime) -> bool:
    """Leave the tombstone; returns False when it stood there before."""
    known = insert(Standing).values(user_id=user_id, erased_at=at)
    forgotten = {"erased_at": at, "roles": [], "is_paying": False, "silenced_until": None}
    first = known.on_conflict_do_update(index_elements=["user_id"], set_=forgotten, where=Standing.erased_at.is_(None))
    return (await session.scalar(first.returning(Standing.user_id))) is not None


async def is_erased(session: ReadSession, user_id: UUID) -> bool:
    statement = select(Standing.user_id).where(Standing.user_id == user_id, Standing.erased_at.is_not(None))
    return (await session.scalar(statement)) is not None


async def get_active(session: ReadSession, user_id: UUID) -> Standing | None:
    """What is known of a user who may act. Raises AccountDisabled for one who was disabled or erased while their
    token was still good."""
    known = await session.get(Standing, user_id, populate_existing=True)
    if known is not None and (known.disabled_at or known.erased_at):
        raise AccountDisabled
    return known


async def find_barred(session: ReadSession, user_ids: set[UUID]) -> set[UUID]:
    """Which of these users may do nothing now."""
    barred = or_(Standing.disabled_at.is_not(None), Standing.erased_at.is_not(None))
    return set((await session.scalars(select(Standing.user_id).where(Standing.user_id.in_(user_ids), barred))).all())
