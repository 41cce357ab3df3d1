"""API keys: making, renaming, rotating with an overlap, and revoking them. The key itself is shown once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.accounts import repository
from services.accounts.errors import ScopeNotYours, TooManyKeys
from services.accounts.models import ADMIN, ApiKey
from services.accounts.revocation import forget_credentials
from services.accounts.tokens import compose_key, digest, new_key_id, new_key_secret
from shared.database import WriteSession

MOST_KEYS = 25
RUNNER = "runner"
SCOPES = (
    "profile:read",
    "usage:read",
    "billing:read",
    "billing:write",
    "jobs:read",
    "jobs:write",
    "chat:read",
    "chat:write",
    "community:read",
    "community:write",
    "affiliates:read",
    "affiliates:write",
    RUNNER,
)


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """`tools` names what a runner key may work on, every tool when empty; other keys have none."""

    name: str
    scopes: tuple[str, ...]
    tools: tuple[str, ...] = ()
    expires_at: datetime | None = None


async def create_key(
    session: WriteSession, user_id: UUID, wanted: KeyRequest, *, roles: frozenset[str], now: datetime
) -> tuple[ApiKey, str]:
    """The stored key and the text its owner needs. Raises ScopeNotYours and TooManyKeys."""
    if RUNNER in wanted.scopes and ADMIN not in roles:
        raise ScopeNotYours("Only an administrator can make a runner key.")
    await repository.lock_user(session, user_id)
    if len(await repository.list_keys(session, user_id)) >= MOST_KEYS:
        raise TooManyKeys
    secret = new_key_secret()
    key = ApiKey(
        id=new_key_id(),
        user_id=user_id,
        name=wanted.name,
        secret_hash=digest(secret),
        scopes=sorted(set(wanted.scopes)),
        tools=list(wanted.tools),
        expires_at=wanted.expires_at,
        created_at=now,
        last4="",
    )
    shown = _show(key, secret)
    session.add(key)
    await session.flush()
    return key, shown


async def update_key(session: WriteSession, user_id: UUID, key_id: str, *, name: str) -> ApiKey:
    key = await repository.lock_key(session, user_id, key_id)
    key.name = name
    return key


async def rotate_key(
    session: WriteSession, user_id: UUID, key_id: str, *, overlap: timedelta, now: datetime
) -> tuple[ApiKey, str]:
    """A new secret at once; the one before it works until the overlap ends, the one before that no more."""
    key = await repository.lock_key(session, user_id, key_id)
    secret = new_key_secret()
    key.previous_secret_hash, key.overlap_until = key.secret_hash, now + overlap
    key.secret_hash = digest(secret)
    shown = _show(key, secret)
    await forget_credentials(session, user_id)
    return key, shown


async def revoke_key(session: WriteSession, user_id: UUID, key_id: str, *, now: datetime) -> None:
    key = await repository.lock_key(session, user_id, key_id)
    key.revoked_at = now
    await forget_credentials(session, user_id)


def _show(key: ApiKey, secret: str) -> str:
    shown = compose_key(key.id, secret)
    key.last4 = shown[-4:]
    return shown
