"""Every SELECT on users and what hangs on them. `get_` raises, `find_` may be None, `lock_` is FOR UPDATE."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from services.accounts.errors import KeyNotFound, SessionNotFound, UserNotFound
from services.accounts.models import ACTIVE, ApiKey, KnownDevice, OneTimeToken, User, UserSession
from shared.database import ReadSession, WriteSession
from shared.pagination import after


async def get_user(session: ReadSession, user_id: UUID) -> User:
    user = await session.get(User, user_id)
    if user is None:
        raise UserNotFound
    return user


async def find_user_by_email(session: ReadSession, email: str) -> User | None:
    """By the normalised address."""
    return (await session.scalars(select(User).where(User.email == email))).one_or_none()


async def get_card(session: ReadSession, handle: str) -> User:
    """A user as strangers may see them: verified and active, or not at all."""
    wanted = select(User).where(User.handle == handle, User.status == ACTIVE, User.email_verified_at.is_not(None))
    user = (await session.scalars(wanted)).one_or_none()
    if user is None:
        raise UserNotFound
    return user


async def lock_user(session: WriteSession, user_id: UUID) -> User:
    user = await session.get(User, user_id, with_for_update=True, populate_existing=True)
    if user is None:
        raise UserNotFound
    return user


async def list_users(session: ReadSession, query: str | None, position: list[Any] | None, limit: int) -> list[User]:
    """Newest first; `query` is a prefix of the address or the handle. Returns up to `limit + 1` rows."""
    statement: Select[Any] = select(User)
    if query:
        start = query.casefold()
        wanted = User.email.startswith(start, autoescape=True) | User.handle.startswith(start, autoescape=True)
        statement = statement.where(wanted)
    statement = after(statement, [User.created_at, User.id], position, descending=True)
    return list(await session.scalars(statement.limit(limit + 1)))


def _live(user_id: UUID, now: datetime) -> Select[Any]:
    return select(UserSession).where(
        UserSession.user_id == user_id,
        UserSession.revoked_at.is_(None),
        UserSession.expires_at > now,
        UserSession.idle_expires_at > now,
    )


async def list_sessions(session: ReadSession, user_id: UUID, now: datetime) -> list[UserSession]:
    return list(await session.scalars(_live(user_id, now).order_by(UserSession.last_seen_at.desc()).limit(1000)))


async def get_live_session(session: ReadSession, user_id: UUID, session_id: UUID, now: datetime) -> UserSession:
    """Raises SessionNotFound, for somebody else's session too."""
    found = (await session.scalars(_live(user_id, now).where(UserSession.id == session_id))).one_or_none()
    if found is None:
        raise SessionNotFound
    return found  # type: ignore[no-any-return]


async def find_token_owner(session: ReadSession, token_hash: bytes, purpose: str, now: datetime) -> User | None:
    """Whose one-time token this is, without using it up."""
    wanted = (
        select(User)
        .join(OneTimeToken, OneTimeToken.user_id == User.id)
        .where(OneTimeToken.token_hash == token_hash, OneTimeToken.purpose == purpose, OneTimeToken.expires_at > now)
    )
    return (await session.scalars(wanted)).one_or_none()


async def list_keys(session: ReadSession, user_id: UUID) -> list[ApiKey]:
    wanted = select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    return list(await session.scalars(wanted.order_by(ApiKey.created_at.desc())))


async def get_key(session: ReadSession, user_id: UUID, key_id: str) -> ApiKey:
    """Raises KeyNotFound, for somebody else's or a revoked key too."""
    key = await session.get(ApiKey, key_id)
    if key is None or key.user_id != user_id or key.revoked_at is not None:
        raise KeyNotFound
    return key


async def lock_key(session: WriteSession, user_id: UUID, key_id: str) -> ApiKey:
    """Raises KeyNotFound, for somebody else's or a revoked key too."""
    key = await session.get(ApiKey, key_id, with_for_update=True, populate_existing=True)
    if key is None or key.user_id != user_id or key.revoked_at is not None:
        raise KeyNotFound
    return key


async def knows_device(session: ReadSession, email: str, device_hash: bytes) -> bool:
    """Whether the address's owner has signed in from this device."""
    wanted = (
        select(KnownDevice.user_id)
        .join(User, User.id == KnownDevice.user_id)
        .where(User.email == email, KnownDevice.device_hash == device_hash)
    )
    return await session.scalar(wanted) is not None
