"""The gateway of the one-process mode: the same duties as the Caddyfile, as one small ASGI router.

It picks the service by path and rewrites nothing. Identity headers from outside are dropped under every spelling; a
request with a credential is checked by accounts, in process, and carries a token for exactly its service.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.local.local_only import LocalOnly
from deploy.local.routes import RouteTable
from shared.errors import Problem, TooLarge, Unavailable
from shared.http import MEBIBYTE, request_id_of
from shared.identity import IDENTITY_HEADER
from shared.logging import get_logger
from shared.service import Service
from shared.settings import Settings

FIRST_BYTE_SECONDS = 60
MAX_HEADER_BYTES = 32 * 1024
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
FORGEABLE = re.compile(
    r"x-(identity-token|user|auth|internal|tenant|forwarded)(-.*)?|forwarded|x-real-ip|connection|x-request-id"
)

Verify = Callable[..., Awaitable[Any]]
log = get_logger(__name__)


class Gateway:
    """Routes requests to the five apps, the front door and the twin.

    `verify(audience=, method=, path=, headers=, client_ip=)` is accounts' own verification; it returns an object with
    `status`, `headers` and `problem`.
    """

    def __init__(
        self,
        *,
        services: Mapping[str, Service],
        apps: Mapping[str, ASGIApp],
        front: ASGIApp,
        twin: ASGIApp | None,
        verify: Verify,
        settings: Settings,
        origins: tuple[str, ...] = (),
    ) -> None:
        self._routes = RouteTable(services.values())
        self._apps, self._verify, self._origins = apps, verify, origins
        self._limits = {name: service.body_limits for name, service in services.items()}
        local = LocalOnly(settings.public_url) if not settings.is_production else None
        self._front = local.guard(front, "/dev/") if local else front
        self._twin = local.guard(twin, "/twin/") if local and twin else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = request_id_of(Headers(scope=scope))
        exchange = _Exchange(request_id, self._allowed_origin(scope), send)
        try:
            await self._dispatch(scope, receive, exchange, request_id)
        except Problem as problem:
            await exchange.fail(problem, scope, receive)
        except Exception:
            log.exception("gateway_failed", service=self._routes.owner_of(scope["path"]) or "front")
            await exchange.fail(BadGateway(), scope, receive)

    async def _dispatch(self, scope: Scope, receive: Receive, exchange: "_Exchange", request_id: str) -> None:
        path = scope["path"]
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
            raise HeadersTooLarge
        if path == "/healthz":
            await _json({"status": "ok"})(scope, receive, exchange.send)
        elif path.startswith("/twin/") and self._twin:
            await self._twin(scope, receive, exchange.send)
        elif owner := self._routes.owner_of(path):
            if scope["method"] == "OPTIONS":
                await _preflight(exchange.origin)(scope, receive, exchange.send)
                return
            headers = await self._headers_for(owner, scope, request_id)
            limited = exchange.limited(receive, self._limit(owner, path), scope)
            await self._forward(self._apps[owner], {**scope, "headers": headers}, limited, exchange)
        else:
            await self._front({**scope, "headers": _clean(scope, request_id)}, receive, exchange.send)

    async def _headers_for(self, owner: str, scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
        """The request's headers without forgeries, with the caller's token when there is a credential."""
        cleaned = _clean(scope, request_id)
        found = {name.decode("latin-1"): value.decode("latin-1") for name, value in cleaned}
        if not ({"authorization", "cookie"} & found.keys()):
            return cleaned
        client_ip = scope["client"][0] if scope.get("client") else ""
        try:
            verdict = await self._verify(
                audience=owner, method=scope["method"], path=scope["path"], headers=found, client_ip=client_ip
            )
        except Exception as error:
            log.warning("verification_failed", error=type(error).__name__)
            raise Unavailable("Identity cannot be checked right now.") from error
        if verdict.problem is not None:
            raise verdict.problem
        token = verdict.headers.get(IDENTITY_HEADER)
        return [*cleaned, (IDENTITY_HEADER.lower().encode(), token.encode())] if token else cleaned

    async def _forward(self, app: ASGIApp, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        """Run the app; one that says nothing in time is answered for, one that has begun takes what it needs."""
        try:
            async with asyncio.timeout(FIRST_BYTE_SECONDS) as patience:
                exchange.patience = patience
                with contextlib.suppress(TooLarge):
                    await app(scope, receive, exchange.send)
        except TimeoutError:
            if not patience.expired():
                raise
            raise GatewayTimeout from None
        finally:
            exchange.patience = None
        if exchange.refusal is not None:
            raise exchange.refusal

    def _limit(self, owner: str, path: str) -> int:
        fitting = [(prefix, limit) for prefix, limit in self._limits[owner].items() if path.startswith(prefix)]
        return max(fitting)[1] if fitting else MEBIBYTE

    def _allowed_origin(self, scope: Scope) -> str | None:
        origin = Headers(scope=scope).get("origin")
        return origin if origin in self._origins else None


class BadGateway(Problem):
    status, code, title = 502, "bad_gateway", "A part of the platform failed to answer"


class HeadersTooLarge(Problem):
    status, code, title = 431, "headers_too_large", "The request's headers are too large"


class GatewayTimeout(Problem):
    status, code, title = 504, "gateway_timeout", "A part of the platform took too long"


class _Exchange:
    """One request's way back: adds the headers every answer carries, and knows whether it has begun."""

    def __init__(self, request_id: str, origin: str | None, send: Send) -> None:
        self.begun = False
        # Ends the wait for the first byte; set while an app is running.
        self.patience: asyncio.Timeout | None = None
        self.origin = origin
        self.refusal: Problem | None = None
        self._request_id, self._send = request_id, send

    def limited(self, receive: Receive, limit: int, scope: Scope) -> Receive:
        """Count the body as it streams; a declared length over the limit is refused before the first byte."""
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise TooLarge(f"The body may have at most {limit} bytes.")
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                self.refusal = TooLarge(f"The body may have at most {limit} bytes.")
                raise self.refusal
            return message

        return counted

    async def send(self, message: Message) -> None:
        if self.refusal is not None and not self.begun:
            # The app may answer its own way to a body that was cut off; the refusal is the answer.
            return
        if message["type"] == "http.response.start":
            self._begin()
            message["headers"] = self._dressed(message.get("headers", ()))
        await self._send(message)

    def _begin(self) -> None:
        self.begun = True
        if self.patience is not None:
            self.patience.reschedule(None)

    def _dressed(self, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The app's headers with the request's id, and those of ours that it didn't set itself."""
        headers = [(name, value) for name, value in given if name != b"x-request-id"]
        present = {name for name, _ in headers}
        headers += [header for header in SECURITY_HEADERS if header[0] not in present]
        headers.append((b"x-request-id", self._request_id.encode()))
        if self.origin:
            allowed = MutableHeaders(raw=headers)
            allowed["Access-Control-Allow-Origin"] = self.origin
            allowed["Access-Control-Allow-Credentials"] = "true"
            allowed.add_vary_header("Origin")
        return headers

    async def fail(self, problem: Problem, scope: Scope, receive: Receive) -> None:
        if self.begun:
            raise problem
        self.refusal = None
        body = orjson.dumps(problem.body(self._request_id))
        response = Response(body, problem.status, problem.headers, "application/problem+json")
        await response(scope, receive, self.send)


def _clean(scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
    """Headers without anything that could be taken for ours, however it is spelled, plus the request's id."""
    kept = [header for header in scope["headers"] if not _is_forgeable(header[0])]
    return [*kept, (b"x-request-id", request_id.encode())]


@lru_cache(maxsize=4096)
def _is_forgeable(name: bytes) -> bool:
    return FORGEABLE.fullmatch(name.decode("latin-1").lower().replace("_", "-")) is not None


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


def _preflight(origin: str | None) -> Response:
    """The answer to OPTIONS; without an allowed origin it grants nothing."""
    if origin is None:
        return Response(status_code=204, headers={"Allow": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"})
    headers = {
        "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, Prefer",
        "Access-Control-Max-Age": "600",
    }
    return Response(status_code=204, headers=headers)
