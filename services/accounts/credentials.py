"""Credentials that were looked up: one statement each, then remembered for seconds and forgotten at revocation."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.accounts.errors import CredentialInvalid
from services.accounts.settings import AccountsSettings
from services.accounts.tokens import SESSION_PREFIX, digest, split_key
from shared.database import Database

REMEMBERED_SECONDS = 10
SEEN_EVERY = timedelta(minutes=5)

_SESSION = """
    SELECT s.id, s.user_id, s.auth_time, s.aal, s.last_seen_at, s.expires_at,
           LEAST(s.idle_expires_at, s.expires_at) AS ends_at, u.roles, u.email_verified_at IS NOT NULL AS verified
      FROM user_sessions s JOIN users u ON u.id = s.user_id
     WHERE s.token = %(hash)s AND s.revoked_at IS NULL AND s.idle_expires_at > %(now)s AND s.expires_at > %(now)s
       AND u.status = 'active'
"""
_SEEN = """
    UPDATE user_sessions SET last_seen_at = %(now)s, idle_expires_at = LEAST(%(idle_until)s, expires_at)
     WHERE id = %(id)s AND last_seen_at = %(last_seen_at)s
"""
_API_KEY = """
    SELECT k.id, k.user_id, k.secret_hash, k.previous_secret_hash, k.overlap_until, k.expires_at, k.scopes, k.tools,
           u.roles, u.email_verified_at IS NOT NULL AS verified
      FROM api_keys k JOIN users u ON u.id = k.user_id
     WHERE k.id = %(id)s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > %(now)s)
       AND u.status = 'active'
"""


@dataclass(slots=True)
class Credential:
    """A valid session or API key. Times are domain time; `tokens` holds minted ones by audience.

    At `stale_at` it must be looked up again: it ends then, or it is time to write that its session was seen.
    """

    user_id: UUID
    key_id: str | None
    claims: dict[str, Any]
    auth_time: datetime | None
    stale_at: datetime | None
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def budget_key(self) -> str:
        return f"key:{self.key_id}" if self.key_id else f"user:{self.user_id}"


class Credentials:
    """What `/_verify` remembers. `forget` must follow the commit of whatever made a user's credentials stale."""

    def __init__(self, *, remember: int = 20_000, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._remember, self._monotonic = remember, monotonic
        self._known: OrderedDict[bytes, tuple[float, Credential]] = OrderedDict()
        self._by_user: dict[UUID, set[bytes]] = {}
        self.revision = 0

    def find(self, key: bytes, now: datetime) -> Credential | None:
        entry = self._known.get(key)
        if entry is None:
            return None
        until, credential = entry
        if until < self._monotonic() or (credential.stale_at is not None and credential.stale_at <= now):
            self._drop(key)
            return None
        return credential

    def keep(self, key: bytes, credential: Credential, revision: int) -> None:
        """Remember what was looked up at `revision`, unless something was revoked since: it may be stale already."""
        if revision != self.revision:
            return
        self._known[key] = (self._monotonic() + REMEMBERED_SECONDS, credential)
        self._by_user.setdefault(credential.user_id, set()).add(key)
        if len(self._known) > self._remember:
            self._drop(next(iter(self._known)))

    def forget(self, user_id: UUID) -> None:
        self.revision += 1
        for key in list(self._by_user.get(user_id, ())):
            self._drop(key)

    def forget_all(self) -> None:
        self.revision += 1
        self._known.clear()
        self._by_user.clear()

    def _drop(self, key: bytes) -> None:
        _, credential = self._known.pop(key)
        mine = self._by_user[credential.user_id]
        mine.discard(key)
        if not mine:
            del self._by_user[credential.user_id]


async def look_up(database: Database, secret: str, settings: AccountsSettings, now: datetime) -> Credential:
    """The credential behind a bearer secret. Raises CredentialInvalid; malformed ones never reach the database."""
    if secret.startswith(SESSION_PREFIX):
        return await _session(database, secret, now + timedelta(days=settings.session_idle_days), now)
    parts = split_key(secret)
    if parts is None:
        raise CredentialInvalid
    return await _api_key(database, *parts, now)


async def _session(database: Database, token: str, idle_until: datetime, now: datetime) -> Credential:
    async with database.pool.connection() as connection:
        row = await (await connection.execute(_SESSION, {"hash": digest(token), "now": now})).fetchone()
        if row is None:
            raise CredentialInvalid
        seen_at, ends_at = row["last_seen_at"], row["ends_at"]
        if now - seen_at >= SEEN_EVERY:
            # Comparing with what we read makes parallel requests write once.
            await connection.execute(_SEEN, {**row, "now": now, "idle_until": idle_until})
            seen_at, ends_at = now, min(idle_until, row["expires_at"])
    claims = {"sid": str(row["id"]), "aal": row["aal"], **_user_claims(row)}
    return Credential(row["user_id"], None, claims, row["auth_time"], min(ends_at, seen_at + SEEN_EVERY))


async def _api_key(database: Database, key_id: str, secret: str, now: datetime) -> Credential:
    async with database.pool.connection() as connection:
        row = await (await connection.execute(_API_KEY, {"id": key_id, "now": now})).fetchone()
    if row is None:
        raise CredentialInvalid
    ends_at = _end_of(row, digest(secret), now)
    claims = {"kid": key_id, "aal": 1, "scopes": row["scopes"], "tools": row["tools"], **_user_claims(row)}
    return Credential(row["user_id"], key_id, claims, None, ends_at)


def _end_of(row: dict[str, Any], given: bytes, now: datetime) -> datetime | None:
    """When the given secret stops working (None: never). The one before a rotation works while the overlap lasts."""
    if hmac.compare_digest(given, row["secret_hash"]):
        return row["expires_at"]  # type: ignore[no-any-return]
    previous, overlap_until = row["previous_secret_hash"], row["overlap_until"]
    if previous and overlap_until > now and hmac.compare_digest(given, previous):
        return min(overlap_until, row["expires_at"] or overlap_until)  # type: ignore[no-any-return]
    raise CredentialInvalid


def _user_claims(row: dict[str, Any]) -> dict[str, Any]:
    return {"sub": str(row["user_id"]), "roles": row["roles"], "email_verified": row["verified"]}
