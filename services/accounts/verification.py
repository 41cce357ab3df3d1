"""Who is calling? The gateway asks this for every request that carries a credential, and forwards the answer.

Outside, a caller holds an opaque session token or an API key; inside, services see a token signed for them alone that
lives for a minute. No credential means anonymous; a bad one is refused and never treated as none.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.accounts.addresses import network_of
from services.accounts.credentials import Credential, look_up
from services.accounts.errors import CredentialInvalid, CrossOrigin, TwoCredentials
from services.accounts.settings import AccountsSettings
from shared.errors import Problem, RateLimited
from shared.identity import IDENTITY_HEADER, ISSUER, TOKEN_LIFETIME_SECONDS

if TYPE_CHECKING:
    from services.accounts.parts import Parts
    from shared.runtime import Runtime

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Routes of staff ask for a fresh token whatever the method.
FRESH_PREFIX = "/v1/admin/"
REUSED_WHILE_SECONDS_LEFT = 30
# Well below the age at which services find a token too old for a state change.
REUSED_FRESH_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Verification:
    """`headers` go to the service (the identity token) or, with a `problem`, back to the caller."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    problem: Problem | None = None


async def verify(
    runtime: "Runtime", *, audience: str, method: str, path: str, headers: Mapping[str, str], client_ip: str
) -> Verification:
    """Check the caller of one request for one service. `headers` have lower-case names."""
    settings, parts = runtime.settings, runtime.parts
    assert isinstance(settings, AccountsSettings)
    from_cookie = False
    try:
        secret, from_cookie = credential_in(headers, settings.cookie_name)
        if secret is None:
            return Verification(200)
        if from_cookie and method not in SAFE_METHODS:
            check_origin(headers, settings)
        now = runtime.clock.now()
        credential = await _known(runtime, secret, client_ip, now)
        limits = _spend(parts, credential)
        parts.key_use.note(credential.key_id, now)
        fresh = method not in SAFE_METHODS or path.startswith(FRESH_PREFIX)
        token = _token(parts, credential, audience, now, fresh=fresh)
        return Verification(200, {IDENTITY_HEADER: token, **limits})
    except CredentialInvalid as problem:
        if from_cookie:
            # Browsers can't drop the cookie by script; without this a stale one would bar the way to the login.
            problem.headers["Set-Cookie"] = expired_cookie(settings)
        return _refusal(problem)
    except Problem as problem:
        return _refusal(problem)


def _refusal(problem: Problem) -> Verification:
    return Verification(problem.status, problem.headers, problem)


def expired_cookie(settings: AccountsSettings) -> str:
    """The Set-Cookie value that takes the session cookie away."""
    secure = "; Secure" if settings.is_secure else ""
    return f"{settings.cookie_name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}"


def credential_in(headers: Mapping[str, str], cookie_name: str) -> tuple[str | None, bool]:
    """The bearer secret and whether a cookie brought it. Raises TwoCredentials, and CredentialInvalid for a scheme
    that is not ours."""
    found = {value for value in _cookies(headers.get("cookie", ""), cookie_name) if value}
    authorization = headers.get("authorization", "").strip()
    if len(found) + bool(authorization) > 1:
        raise TwoCredentials
    if not authorization:
        return (found.pop(), True) if found else (None, False)
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise CredentialInvalid("Use Authorization: Bearer with a session token or an API key.")
    return secret.strip(), False


def _cookies(header: str, name: str) -> list[str]:
    pairs = (pair.partition("=") for pair in header.split(";"))
    return [value.strip().strip('"') for key, _, value in pairs if key.strip() == name]


def check_origin(headers: Mapping[str, str], settings: AccountsSettings) -> None:
    """Refuse a state change that another site's page sends with our user's cookie.

    The rule is that of Go's net/http CrossOriginProtection: browsers say where a request comes from in
    Sec-Fetch-Site, older ones in Origin; a request with neither comes from no browser. Raises CrossOrigin.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin and origin in settings.origins:
        return
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise CrossOrigin
        return
    if origin and urlsplit(origin).netloc not in {headers.get("host"), urlsplit(settings.public_url).netloc}:
        raise CrossOrigin


async def _known(runtime: "Runtime", secret: str, client_ip: str, now: datetime) -> Credential:
    """The credential from memory or the database. Networks that send one bad secret after the other are slowed."""
    parts: Parts = runtime.parts
    key = hashlib.sha256(secret.encode()).digest()
    known = parts.credentials.find(key, now)
    if known is not None:
        return known
    network = network_of(client_ip)
    if parts.bad_credentials.is_spent(network):
        raise RateLimited(1, "Too many bad credentials from your network.")
    revision = parts.credentials.revision
    try:
        credential = await look_up(runtime.database, secret, parts.settings, now)
    except CredentialInvalid:
        parts.bad_credentials.hit(network)
        raise
    parts.credentials.keep(key, credential, revision)
    return credential


def _spend(parts: "Parts", credential: Credential) -> dict[str, str]:
    verdict = parts.principals.hit(credential.budget_key)
    headers = parts.principals.headers(verdict)
    if not verdict.allowed:
        problem = RateLimited(verdict.retry_after, "You are sending requests faster than your budget refills.")
        problem.headers.update(headers)
        raise problem
    return headers


def _token(parts: "Parts", credential: Credential, audience: str, now: datetime, *, fresh: bool) -> str:
    """A token for the audience. Safe requests share one while half its life is left; others get one of this second,
    so that a service can tell how recently the caller was checked."""
    wall = time.time()
    token, expires_at = credential.tokens.get(audience, ("", 0.0))
    if expires_at - wall >= (TOKEN_LIFETIME_SECONDS - REUSED_FRESH_SECONDS if fresh else REUSED_WHILE_SECONDS_LEFT):
        return token
    claims = {
        **credential.claims,
        "iss": ISSUER,
        "aud": audience,
        "auth_time": _wall_auth_time(credential, now, wall),
        "iat": int(wall),
        "exp": int(wall) + TOKEN_LIFETIME_SECONDS,
    }
    token = parts.keys.sign(claims)
    credential.tokens[audience] = (token, claims["exp"])
    return token


def _wall_auth_time(credential: Credential, now: datetime, wall: float) -> int:
    """When the caller last proved who they are, by wall clock: services compare it with theirs, whatever day the
    domain clock shows."""
    if credential.auth_time is None:
        return 0
    return int(wall - (now - credential.auth_time).total_seconds())
