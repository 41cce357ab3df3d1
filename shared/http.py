"""The outermost ASGI layer of each service: request id, body limit, one access log line, and no stack trace out."""

import re
import time
from collections.abc import Mapping
from uuid import uuid4

import orjson
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Problem, TooLarge
from shared.events.tracing import correlation_id
from shared.logging import get_logger
from shared.metrics import REQUEST_SECONDS

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
MEBIBYTE = 1024 * 1024

log = get_logger(__name__)


class Envelope:
    """Wraps a service: gives each request an id, counts its bytes, turns what nobody caught into a plain 500."""

    def __init__(self, app: ASGIApp, *, service: str, body_limits: Mapping[str, int]) -> None:
        self._app, self._service = app, service
        # The longest prefix decides, so that one route may take more than its neighbours.
        self._limits = sorted(body_limits.items(), key=lambda limit: -len(limit[0]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Exchange(self._app, self._service, self._limit_of(scope["path"])).run(scope, receive, send)

    def _limit_of(self, path: str) -> int:
        return next((limit for prefix, limit in self._limits if path.startswith(prefix)), MEBIBYTE)


class _Exchange:
    def __init__(self, app: ASGIApp, service: str, limit: int) -> None:
        self._app, self._service, self._limit = app, service, limit
        self._received = 0
        self._status: int | None = None

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._request_id = request_id_of(headers)
        scope.setdefault("state", {})["request_id"] = self._request_id
        correlation_id.set(self._request_id)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=self._request_id, service=self._service):
            try:
                self._check_declared_size(headers)
                await self._app(scope, self._counted(receive), self._stamped(send))
            except TooLarge as problem:
                await self._fail(problem, scope, receive, send)
            except Exception as error:
                log.exception("unhandled", path=_route_of(scope), error=type(error).__name__)
                await self._fail(Problem(), scope, receive, send)
            finally:
                self._record(scope, time.perf_counter() - started)

    def _check_declared_size(self, headers: Headers) -> None:
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._limit:
            raise TooLarge(f"The body may have at most {self._limit} bytes.")

    def _counted(self, receive: Receive) -> Receive:
        async def counted() -> Message:
            message = await receive()
            self._received += len(message.get("body", b""))
            if self._received > self._limit:
                raise TooLarge(f"The body may have at most {self._limit} bytes.")
            return message

        return counted

    def _stamped(self, send: Send) -> Send:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = self._request_id
            await send(message)

        return stamped

    async def _fail(self, problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        if self._status is not None:
            # The response has begun; cutting the connection is the only honest signal left.
            raise problem
        await problem_response(problem, self._request_id)(scope, receive, self._stamped(send))

    def _record(self, scope: Scope, seconds: float) -> None:
        path = _route_of(scope)
        status = self._status or 500
        REQUEST_SECONDS.labels(self._service, scope["method"], path, str(status)).observe(seconds)
        if path != "unmatched" and not path.startswith(("/livez", "/readyz", "/metrics")):
            principal = scope.get("state", {}).get("principal")
            subject = str(principal.user_id) if principal else None
            log.info(
                "request", method=scope["method"], path=path, status=status, ms=round(seconds * 1000, 1), sub=subject
            )


def _route_of(scope: Scope) -> str:
    """The route's pattern. The path itself may hold what a client put there by mistake, such as a token."""
    return getattr(scope.get("route"), "path", "unmatched")


def request_id_of(headers: Headers) -> str:
    """The gateway's request id when it is well-formed, else one of our own: a client may strip or forge it."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid4().hex


def problem_response(problem: Problem, request_id: str | None) -> Response:
    return Response(
        orjson.dumps(problem.body(request_id)),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=problem.headers,
    )
