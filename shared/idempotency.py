"""`Idempotency-Key`: the same key and body replay the first answer, another body is refused.

The key is stored in the transaction of its effect, so an answer exists exactly when the effect does. Concurrent
requests with one key wait on the row and then replay.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import Depends, Header, Request
from pydantic import BaseModel
from sqlalchemy import text
from starlette.responses import Response

from shared.database import WriteSession
from shared.errors import BadRequest, Conflict
from shared.identity import find_caller

KEPT_HOURS = 24

_CLAIM = text("""
    INSERT INTO idempotency_keys (principal, key, route, fingerprint) VALUES (:principal, :key, :route, :fingerprint)
    ON CONFLICT (principal, key, route) DO NOTHING RETURNING 1
""")
_STORED = text("""
    SELECT fingerprint, status, headers, body FROM idempotency_keys
    WHERE principal = :principal AND key = :key AND route = :route
""")
_ANSWER = text("""
    UPDATE idempotency_keys SET status = :status, headers = CAST(:headers AS jsonb), body = :body
    WHERE principal = :principal AND key = :key AND route = :route
""")


class IdempotencyKeyReused(Conflict):
    code, title = "idempotency_key_reused", "This idempotency key was used with another body"


class IdempotentRequestRunning(Conflict):
    code, title = "idempotency_in_progress", "The first request with this key is still running"


class Once:
    """Runs an action once per key. Without the header it simply runs."""

    def __init__(self, principal: str, key: str | None, route: str, fingerprint: bytes) -> None:
        self.key = key
        self._row = {"principal": principal, "key": key, "route": route}
        self._fingerprint = fingerprint

    async def respond(
        self,
        session: WriteSession,
        act: Callable[[], Awaitable[BaseModel]],
        *,
        status: int = 200,
        headers: Callable[[Any], dict[str, str]] | None = None,
    ) -> Response:
        """The first answer again, or the answer of `act()`, stored with its effect.

        `headers` derives extra headers (such as Location) from the body. Raises IdempotencyKeyReused for another body.
        """
        replay = await self.claim(session)
        if replay is not None:
            return replay
        model = await act()
        return await self.store(session, model, status=status, headers=headers(model) if headers else {})

    async def claim(self, session: WriteSession) -> Response | None:
        """Take the key in this transaction, or return the stored answer. For operations in two transactions, claim
        in the first and `store` in the second; a claimed key without an answer refuses others as still running."""
        if self.key is None:
            return None
        claimed = await session.scalar(_CLAIM, {**self._row, "fingerprint": self._fingerprint})
        if claimed:
            return None
        stored = (await session.execute(_STORED, self._row)).one()
        if stored.fingerprint != self._fingerprint:
            raise IdempotencyKeyReused
        if stored.status is None:
            raise IdempotentRequestRunning(headers={"Retry-After": "1"})
        return _json(stored.body, stored.status, {**stored.headers, "Idempotency-Replayed": "true"})

    async def store(
        self, session: WriteSession, model: BaseModel, *, status: int, headers: dict[str, str] | None = None
    ) -> Response:
        body = model.model_dump_json().encode()
        if self.key is not None:
            answer = {"status": status, "headers": orjson.dumps(headers or {}).decode(), "body": body}
            await session.execute(_ANSWER, {**self._row, **answer})
        return _json(body, status, headers or {})


def _json(body: bytes, status: int, headers: dict[str, str]) -> Response:
    return Response(body, status_code=status, media_type="application/json", headers=headers)


async def _once(
    request: Request, idempotency_key: Annotated[str | None, Header(max_length=255, min_length=1)] = None
) -> Once:
    if idempotency_key is not None and not idempotency_key.isprintable():
        raise BadRequest("Idempotency-Key has characters that cannot be used.")
    principal = await find_caller(request)
    owner = str(principal.user_id) if principal else "anonymous"
    path = request.url.path
    fingerprint = hashlib.sha256(path.encode() + b"\0" + await request.body()).digest()
    return Once(owner, idempotency_key, f"{request.method} {path}", fingerprint)


Idempotency = Annotated[Once, Depends(_once)]
