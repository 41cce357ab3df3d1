"""Who is speaking: a signed-in user, a visitor with the token of one conversation, or both at once."""

import hashlib
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from shared.errors import Forbidden, Unauthorized
from shared.identity import Principal, find_caller

TOKEN_HEADER = "X-Chat-Session"  # noqa: S105 - a header's name
TOKEN_COOKIE = "chat_session"  # noqa: S105 - a cookie's name
MAX_TOKEN_CHARACTERS = 200
STAFF = frozenset({"support", "admin"})


@dataclass(frozen=True, slots=True)
class Speaker:
    """`token` is the SHA-256 of what a visitor showed; `ip` is "" where there is none."""

    user_id: UUID | None
    token: bytes | None
    ip: str
    principal: Principal | None = None

    @property
    def network(self) -> str:
        """The address's /24 or /64: whoever has one address there usually has them all."""
        return network_of(self.ip)

    def id_for(self, scope: str) -> UUID | None:
        """The user, unless an API key without this scope speaks for them."""
        scopes = self.principal.scopes if self.principal else None
        return self.user_id if scopes is None or scope in scopes else None

    @property
    def is_staff(self) -> bool:
        return self.principal is not None and bool(STAFF & self.principal.roles)


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def network_of(ip: str) -> str:
    try:
        address = ipaddress.ip_address(ip.split("%", maxsplit=1)[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))  # noqa: PLR2004


def _speaker(scope: str, *, known: bool) -> Callable[[Request], Awaitable[Speaker]]:
    async def find_speaker(request: Request) -> Speaker:
        caller = await find_caller(request)
        if caller:
            _check(caller, scope)
        shown = request.headers.get(TOKEN_HEADER) or request.cookies.get(TOKEN_COOKIE)
        token = hash_of(shown) if shown and len(shown) <= MAX_TOKEN_CHARACTERS else None
        if known and caller is None and token is None:
            raise Unauthorized(f"Sign in, or show the conversation's token in {TOKEN_HEADER}.")
        ip = request.client.host if request.client else ""
        return Speaker(caller.user_id if caller else None, token, ip, caller)

    return find_speaker


def _check(caller: Principal, scope: str) -> None:
    """What `user(scope=…)` would check; the visitor's policy leaves it to us."""
    if not caller.verified:
        raise Forbidden("Confirm your e-mail address first.")
    if caller.scopes is not None and scope not in caller.scopes:
        raise Forbidden(f"This API key lacks the scope {scope}.")


Newcomer = Annotated[Speaker, Depends(_speaker("chat:write", known=False))]
Reader = Annotated[Speaker, Depends(_speaker("chat:read", known=True))]
Writer = Annotated[Speaker, Depends(_speaker("chat:write", known=True))]
