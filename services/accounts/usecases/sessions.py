"""Sessions: opening one at login, confirming who holds it, and ending one, the others or all."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from services.accounts import repository
from services.accounts.devices import label_of
from services.accounts.errors import CredentialsRejected, SessionNotFound
from services.accounts.models import ACTIVE, KnownDevice, User, UserSession
from services.accounts.revocation import forget_credentials
from services.accounts.settings import AccountsSettings
from services.accounts.tokens import digest, new_session_token
from services.accounts.usecases.passwords import Checked
from shared.contracts.accounts import SessionRevoked
from shared.database import WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

LONGEST_USER_AGENT = 512


@dataclass(frozen=True, slots=True)
class Device:
    """Where a login comes from. `token` recognises a browser that its user signed in from before."""

    ip: str | None
    user_agent: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session; its token exists only here and with the caller."""

    token: str
    user: User
    session: UserSession


async def open_session(
    session: WriteSession, checked: Checked, device: Device, *, now: datetime, settings: AccountsSettings
) -> Opened:
    """Sign in whoever passed the password check. Raises CredentialsRejected when the account closed or the password
    changed since the check."""
    user = await session.get(User, checked.user_id, with_for_update=True)
    if user is None or user.status != ACTIVE or user.password_hash != checked.stored_hash:
        raise CredentialsRejected
    if checked.renewed_hash:
        user.password_hash = checked.renewed_hash
    token = new_session_token()
    opened = _session_of(user, token, device, now, settings)
    session.add(opened)
    await session.flush()
    if device.token:
        await _remember_device(session, user.id, device.token, now)
    return Opened(token, user, opened)


def _session_of(user: User, token: str, device: Device, now: datetime, settings: AccountsSettings) -> UserSession:
    return UserSession(
        id=new_id(),
        user_id=user.id,
        token_hash=digest(token),
        created_at=now,
        last_seen_at=now,
        idle_expires_at=now + timedelta(days=settings.session_idle_days),
        expires_at=now + timedelta(days=settings.session_absolute_days),
        ip=device.ip,
        user_agent=device.user_agent[:LONGEST_USER_AGENT] or None,
        device_label=label_of(device.user_agent),
        aal=1,
        auth_time=now,
    )


async def _remember_device(session: WriteSession, user_id: UUID, token: str, now: datetime) -> None:
    row = {"user_id": user_id, "device_hash": digest(token), "first_seen_at": now, "last_seen_at": now}
    statement = insert(KnownDevice).values(row)
    known = statement.on_conflict_do_update(index_elements=["user_id", "device_hash"], set_={"last_seen_at": now})
    await session.execute(known)


async def reauthenticate(session: WriteSession, checked: Checked, session_id: UUID, *, now: datetime) -> None:
    """The session's holder has just proved the password again. Raises SessionNotFound."""
    held = await repository.get_live_session(session, checked.user_id, session_id, now)
    held.auth_time = now
    await forget_credentials(session, checked.user_id)


async def revoke_session(session: WriteSession, user_id: UUID, session_id: UUID, *, reason: str, now: datetime) -> None:
    """End one of the user's sessions. Raises SessionNotFound, for somebody else's too."""
    user = await repository.lock_user(session, user_id)
    if not await revoke_sessions(session, user, only=session_id, reason=reason, now=now):
        raise SessionNotFound


async def revoke_sessions(
    session: WriteSession,
    user: User,
    *,
    reason: str,
    now: datetime,
    only: UUID | None = None,
    keep: UUID | None = None,
) -> list[UUID]:
    """End `only` one, all but the one to `keep`, or all sessions of a locked user; returns which ended."""
    ending = update(UserSession).where(UserSession.user_id == user.id, UserSession.revoked_at.is_(None))
    ending = ending.where(UserSession.expires_at > now)
    if only is not None:
        ending = ending.where(UserSession.id == only)
    if keep is not None:
        ending = ending.where(UserSession.id != keep)
    ended = list(await session.scalars(ending.values(revoked_at=now, revoke_reason=reason).returning(UserSession.id)))
    if ended:
        user.version += 1
        everything = only is None and keep is None
        revoked = SessionRevoked(user_id=user.id, session_ids=ended, all=everything)
        await publish(session, revoked, sequence=user.version)
    await forget_credentials(session, user.id)
    return ended
