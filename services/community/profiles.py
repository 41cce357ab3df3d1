"""What the community knows of users, told by accounts. The newest event wins, whatever comes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from services.community.models import Profile, Standing
from shared.contracts.accounts import UserRegistered, UserUpdated
from shared.database import ReadSession, WriteSession

STAFF = frozenset({"support", "moderator", "admin"})


async def note_registration(session: WriteSession, event: UserRegistered, version: int) -> bool:
    """Keep the profile and the mailbox's fingerprint; an update that came first keeps its newer names.

    Returns whether the registration is news.
    """
    before = await session.get(Profile, event.user_id, populate_existing=True)
    news = before is None or before.email_fingerprint is None
    await _note(session, event, version)
    known = insert(Profile).values(
        user_id=event.user_id,
        handle=event.handle,
        display_name=event.display_name,
        email_fingerprint=event.email_fingerprint,
        version=version,
    )
    fingerprint = {"email_fingerprint": event.email_fingerprint}
    await session.execute(known.on_conflict_do_update(index_elements=["user_id"], set_=fingerprint))
    session.expire_all()
    return news


async def note_update(session: WriteSession, event: UserUpdated, version: int) -> None:
    await _note(session, event, version)


async def _note(session: WriteSession, event: UserRegistered | UserUpdated, version: int) -> None:
    news = {"handle": event.handle, "display_name": event.display_name, "version": version}
    known = insert(Profile).values(user_id=event.user_id, **news)
    await session.execute(
        known.on_conflict_do_update(index_elements=["user_id"], set_=news, where=Profile.version <= version)
    )


async def list_users_called(session: ReadSession, handles: Sequence[str]) -> list[UUID]:
    """The users behind these handles; handles of nobody are left out."""
    statement = select(Profile.user_id).where(Profile.handle.in_(handles)).order_by(Profile.handle)
    return list((await session.scalars(statement)).all()) if handles else []


@dataclass(frozen=True, slots=True)
class Known:
    """Who wrote something, as readers see them."""

    handle: str
    display_name: str
    is_staff: bool


async def find_authors(session: ReadSession, user_ids: set[UUID]) -> dict[UUID, Known]:
    columns = Profile.user_id, Profile.handle, Profile.display_name, func.coalesce(Standing.roles, [])
    statement = select(*columns).outerjoin(Standing, Standing.user_id == Profile.user_id)
    rows = (await session.execute(statement.where(Profile.user_id.in_(user_ids)))).all()
    return {user_id: Known(handle, name, not STAFF.isdisjoint(roles)) for user_id, handle, name, roles in rows}
