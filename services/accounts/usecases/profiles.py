"""What users say about themselves."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy.exc import IntegrityError

from services.accounts import repository
from services.accounts.errors import HandleTaken
from services.accounts.models import User
from shared.contracts.accounts import UserUpdated
from shared.database import WriteSession
from shared.errors import PreconditionFailed
from shared.events.outbox import publish

PUBLIC_FIELDS = ("handle", "display_name")


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """Fields to set; None leaves a field as it is."""

    display_name: str | None = None
    handle: str | None = None
    locale: str | None = None
    timezone: str | None = None


async def update_profile(
    session: WriteSession, user_id: UUID, change: ProfileChange, *, now: datetime, expected_version: int | None = None
) -> User:
    """Raises HandleTaken, and PreconditionFailed when somebody changed the user since `expected_version`."""
    user = await repository.lock_user(session, user_id)
    if expected_version is not None and user.version != expected_version:
        raise PreconditionFailed
    changed = _apply(user, change)
    if not changed:
        return user
    user.updated_at = now
    user.version += 1
    await _store(session)
    public = [field for field in changed if field in PUBLIC_FIELDS]
    if public and user.email_verified:
        update = UserUpdated(user_id=user.id, handle=user.handle, display_name=user.display_name, changed=public)
        await publish(session, update, sequence=user.version)
    return user


def _apply(user: User, change: ProfileChange) -> list[str]:
    """Set what differs; returns the names of the fields."""
    wanted = {name: getattr(change, name) for name in ProfileChange.__slots__}
    changed = [name for name, value in wanted.items() if value is not None and value != getattr(user, name)]
    for name in changed:
        setattr(user, name, wanted[name])
    return changed


async def _store(session: WriteSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise HandleTaken from error
        raise
