"""Sessions: opening one at login, confirming who holds it, and ending one, the others or all."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update

from services.accounts import repository
from services.accounts.devices import label_of
from services.accounts.errors import CredentialsRejected, SessionNotFound
from services.accounts.models import User, UserSession
from services.accounts.revocation import forget_credentials
from services.accounts.settings import AccountsSettings
from services.accounts.tokens import digest, new_login_token, new_session_token
from services.accounts.usecases.passwords import Checked
from shared.contracts.accounts import SessionRevoked
from shared.database import Database, WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

LONGEST_USER_AGENT = 512

# The lock makes a login and whatever closes the account or changes the password come one after the other.
_OPEN = """
    WITH owner AS (
        SELECT *, email_verified_at IS NOT NULL AS email_verified,
               NOT %(proved)s AND EXISTS (
                   SELECT FROM user_factors f WHERE f.user_id = users.id AND f.confirmed_at IS NOT NULL
               ) AS needs_factor
          FROM users
         WHERE id = %(user_id)s AND status = 'active' AND password_hash = %(stored_hash)s FOR NO KEY UPDATE
    ), renewed AS (
        UPDATE users SET password_hash = %(renewed_hash)s
         WHERE id IN (SELECT id FROM owner) AND %(renewed_hash)s::text IS NOT NULL
    ), challenged AS (
        INSERT INTO login_challenges (token_hash, user_id, password_hash, tries, expires_at)
        SELECT %(challenge)s, id, COALESCE(%(renewed_hash)s, password_hash), 0, %(challenge_until)s
          FROM owner WHERE needs_factor
    ), opened AS (
        INSERT INTO user_sessions (id, user_id, token, created_at, last_seen_at, idle_expires_at, expires_at,
                                   ip, user_agent, device_label, aal, auth_time)
        SELECT %(session_id)s, id, %(token)s, %(now)s, %(now)s, %(idle_expires_at)s, %(expires_at)s,
               %(ip)s::inet, %(user_agent)s, %(device_label)s, CASE WHEN %(proved)s THEN 2 ELSE 1 END, %(now)s
          FROM owner WHERE NOT needs_factor
    ), device AS (
        INSERT INTO known_devices (user_id, device_hash, first_seen_at, last_seen_at)
        SELECT id, %(device_hash)s, %(now)s, %(now)s
          FROM owner WHERE NOT needs_factor AND %(device_hash)s::bytea IS NOT NULL
        ON CONFLICT (user_id, device_hash) DO UPDATE SET last_seen_at = EXCLUDED.last_seen_at
    )
    SELECT * FROM owner
"""


@dataclass(frozen=True, slots=True)
class Device:
    """Where a login comes from. `token` recognises a browser that its user signed in from before."""

    ip: str | None
    user_agent: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session and its user's row; the token exists only here and with the caller."""

    token: str
    user: dict[str, Any]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Challenge:
    """The password was right; `token` and a code of the second factor finish the login."""

    token: str


async def open_session(
    database: Database,
    checked: Checked,
    device: Device,
    *,
    now: datetime,
    settings: AccountsSettings,
    proved_factor: bool = False,
) -> Opened | Challenge:
    """Sign in whoever passed the password check, in one statement: logins come in bursts, and the hash should be all
    that they cost. Raises CredentialsRejected when the account closed or the password changed since the check."""
    token, challenge = new_session_token(), new_login_token()
    expires_at = now + timedelta(days=settings.session_absolute_days)
    values = {
        "proved": proved_factor,
        "challenge": digest(challenge),
        "challenge_until": now + timedelta(minutes=settings.login_minutes),
        "user_id": checked.user_id,
        "stored_hash": checked.stored_hash,
        "renewed_hash": checked.renewed_hash,
        "session_id": new_id(),
        "token": digest(token),
        "now": now,
        "idle_expires_at": now + timedelta(days=settings.session_idle_days),
        "expires_at": expires_at,
        "ip": device.ip,
        "user_agent": device.user_agent[:LONGEST_USER_AGENT] or None,
        "device_label": label_of(device.user_agent),
        "device_hash": digest(device.token) if device.token else None,
    }
    async with database.pool.connection() as connection:
        user = await (await connection.execute(_OPEN, values)).fetchone()
    if user is None:
        raise CredentialsRejected
    return Challenge(challenge) if user["needs_factor"] else Opened(token, user, expires_at)


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
