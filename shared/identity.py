"""Who is calling: verification of the short-lived identity token that the gateway forwards.

Services never ask accounts during a request. They verify an Ed25519 JWT minted for exactly their audience and treat
everything else, headers from localhost included, as anonymous or forged.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Protocol
from uuid import UUID

import httpx
import orjson
from fastapi import Depends, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from shared.errors import Unauthorized

IDENTITY_HEADER = "X-Identity-Token"
ISSUER = "accounts"
TOKEN_TYPE = "int+jwt"  # noqa: S105 - a JOSE media type, not a password
ALGORITHM = "Ed25519"
LEEWAY_SECONDS = 5
TOKEN_LIFETIME_SECONDS = 60
# How often an unknown key id may make us read the key set again: rotation is rare, forged key ids are not.
KEY_REFRESH_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `scopes` is None for a session (which may do all its user may) and a set for an API key."""

    user_id: UUID
    session_id: UUID | None
    key_id: str | None
    roles: frozenset[str]
    scopes: frozenset[str] | None
    verified: bool
    assurance: int
    authenticated_at: datetime
    token_issued_at: datetime
    acting_admin: UUID | None = None
    runner_tools: tuple[str, ...] = ()


class Keys(Protocol):
    """Where the public keys of accounts come from."""

    async def key_set(self, *, refresh: bool = False) -> KeySet: ...


class FileKeys:
    """A JWKS file that accounts keeps up to date; read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path, self._read_at_ns, self._keys = path, -1, KeySet([])

    async def key_set(self, *, refresh: bool = False) -> KeySet:  # noqa: ARG002 - a file is always checked
        changed_at_ns = self._path.stat().st_mtime_ns
        if changed_at_ns != self._read_at_ns:
            self._keys = KeySet.import_key_set(orjson.loads(self._path.read_bytes()))
            self._read_at_ns = changed_at_ns
        return self._keys


class UrlKeys:
    """The JWKS document of accounts over HTTP, cached until an unknown key id asks for a refresh."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url, self._http = url, http
        self._keys, self._fetched_at = KeySet([]), float("-inf")

    async def key_set(self, *, refresh: bool = False) -> KeySet:
        never = self._fetched_at == float("-inf")
        if never or (refresh and time.monotonic() - self._fetched_at > KEY_REFRESH_SECONDS):
            answer = await self._http.get(self._url, timeout=2)
            answer.raise_for_status()
            self._keys, self._fetched_at = KeySet.import_key_set(answer.json()), time.monotonic()
        return self._keys


class Verifier:
    """Checks identity tokens for one audience; verified tokens are remembered until they expire.

    Expiry uses wall time: tokens live for seconds, whatever day the domain clock shows.
    """

    def __init__(self, audience: str, keys: Keys, *, remember: int = 4096) -> None:
        self._keys, self._remember = keys, remember
        self._seen: OrderedDict[str, tuple[float, Principal]] = OrderedDict()
        self._registry = JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            iat={"essential": True},
            exp={"essential": True},
        )

    async def principal(self, token: str) -> Principal:
        """The verified caller. Raises Unauthorized for anything that is not a valid token for this audience."""
        known = self._seen.get(token)
        if known and known[0] > time.time():
            return known[1]
        claims = await self._verified_claims(token)
        principal = principal_of(claims)
        self._seen[token] = (claims["exp"] + LEEWAY_SECONDS, principal)
        while len(self._seen) > self._remember:
            self._seen.popitem(last=False)
        return principal

    async def _verified_claims(self, token: str) -> dict[str, Any]:
        try:
            return await self._decode(token, refresh=False)
        except (JoseError, ValueError):
            pass
        try:
            # The key may be newer than our copy of the key set.
            return await self._decode(token, refresh=True)
        except (JoseError, ValueError) as error:
            raise Unauthorized("The identity token is not valid here.") from error

    async def _decode(self, token: str, *, refresh: bool) -> dict[str, Any]:
        decoded = jwt.decode(token, await self._keys.key_set(refresh=refresh), algorithms=[ALGORITHM])
        if decoded.header.get("typ") != TOKEN_TYPE:
            raise ValueError("wrong token type")
        self._registry.validate(decoded.claims)
        return decoded.claims


def principal_of(claims: dict[str, Any]) -> Principal:
    """The caller that verified claims describe."""
    return Principal(
        user_id=UUID(claims["sub"]),
        session_id=UUID(claims["sid"]) if claims.get("sid") else None,
        key_id=claims.get("kid"),
        roles=frozenset(claims.get("roles", ())),
        scopes=frozenset(claims["scopes"]) if claims.get("scopes") is not None else None,
        verified=bool(claims.get("email_verified")),
        assurance=int(claims.get("aal", 1)),
        authenticated_at=datetime.fromtimestamp(claims.get("auth_time", 0), UTC),
        token_issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        acting_admin=UUID(claims["act"]) if claims.get("act") else None,
        runner_tools=tuple(claims.get("tools", ())),
    )


async def find_caller(request: Request) -> Principal | None:
    """The caller, or None without a credential. A credential that does not verify is an error, never anonymous."""
    if not hasattr(request.state, "principal"):
        token = request.headers.get(IDENTITY_HEADER)
        verifier: Verifier = request.app.state.verifier
        request.state.principal = await verifier.principal(token) if token else None
    principal: Principal | None = request.state.principal
    return principal


async def get_caller(request: Request) -> Principal:
    principal = await find_caller(request)
    if principal is None:
        raise Unauthorized
    return principal


Caller = Annotated[Principal, Depends(get_caller)]
MaybeCaller = Annotated[Principal | None, Depends(find_caller)]
