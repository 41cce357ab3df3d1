"""Callers with genuine identity tokens, signed by a key that only the tests know."""

import time
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from shared.identity import ALGORITHM, ISSUER, TOKEN_LIFETIME_SECONDS, TOKEN_TYPE
from shared.ids import new_id

SIGNING_KEY = OKPKey.generate_key("Ed25519", {"kid": "test", "use": "sig"})


class TestKeys:
    """The public half, as accounts would publish it."""

    __test__ = False

    async def key_set(self, *, refresh: bool = False) -> KeySet:
        return KeySet([OKPKey.import_key(SIGNING_KEY.as_dict(private=False))])


def identity_token(
    audience: str,
    user_id: UUID | None = None,
    *,
    key: OKPKey = SIGNING_KEY,
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """A token as the gateway forwards it; keyword arguments override claims, so that tests can forge them."""
    now = int(time.time())
    payload = {
        "iss": ISSUER,
        "aud": audience,
        "sub": str(user_id or new_id()),
        "sid": str(new_id()),
        "roles": ["user"],
        "aal": 1,
        "email_verified": True,
        "auth_time": now,
        "iat": now,
        "exp": now + TOKEN_LIFETIME_SECONDS,
    }
    head = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": key.kid, **(header or {})}
    return jwt.encode(head, {**payload, **claims}, key, algorithms=[ALGORITHM])
