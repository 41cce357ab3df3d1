"""One API call: authenticate, validate against the SDK's types, execute once, expand, answer."""

import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deploy.stripe_twin import faults, idempotency
from deploy.stripe_twin.account import Body
from deploy.stripe_twin.books import Books
from deploy.stripe_twin.conformance import API_VERSION, validate_request
from deploy.stripe_twin.errors import StripeError, invalid
from deploy.stripe_twin.expansion import expand, without_private
from deploy.stripe_twin.forms import parse_form
from deploy.stripe_twin.idempotency import Answer
from deploy.stripe_twin.ids import new_id
from deploy.stripe_twin.settings import PREFIX
from deploy.stripe_twin.store import Connection

log = logging.getLogger(__name__)
Handler = Callable[..., Awaitable[Body]]
MAX_BODY_BYTES = 1_000_000
PAGE = "limit starting_after ending_before"
_KEY = re.compile(r"(sk|rk)_test_[A-Za-z0-9_]{3,}")


@dataclass(frozen=True)
class Route:
    """`accepts` names the parameters that the twin simulates; other valid ones are refused, never ignored."""

    method: str
    path: str
    handler: Handler
    params: type
    accepts: str = ""

    def match(self, method: str, path: str) -> tuple[str, ...] | None:
        if method != self.method:
            return None
        found = re.fullmatch(re.sub(r"\{\w+\}", r"([^/]+)", self.path), path)
        return found.groups() if found else None


@dataclass(frozen=True)
class Call:
    route: Route
    ids: tuple[str, ...]
    path: str
    params: Body
    request_id: str
    key: str | None


class Api:
    """The `/v1` part of the twin."""

    def __init__(self, books: Books, routes: list[Route]) -> None:
        self._books = books
        self._store = books.store
        self._routes = routes
        self._in_flight: set[str] = set()

    async def handle(self, request: Request) -> Response:
        request_id = new_id("req", 14)
        try:
            return await self._handle(request, request_id)
        except StripeError as error:
            answer = Answer(error.status, error.body)
        except Exception:
            log.exception("The twin failed at %s %s", request.method, request.url.path)
            answer = Answer(500, StripeError(500, "The twin itself failed.", type="api_error").body)
        return _response(answer, request_id, request)

    async def _handle(self, request: Request, request_id: str) -> Response:
        """A fault strikes before the call is executed, or after."""
        _authenticate(request)
        path = request.url.path.removeprefix(PREFIX)
        fault = await faults.take_fault(self._store, request.method, path)
        if fault == "timeout_before":
            return await faults.hang(request)
        faults.refuse(fault)
        answer = await self._answer(request, path, request_id)
        if fault == "timeout_after":
            return await faults.hang(request)
        return faults.Reset() if fault == "reset" else _response(answer, request_id, request)

    async def _answer(self, request: Request, path: str, request_id: str) -> Answer:
        route, ids = self._find(request.method, path)
        raw = parse_form(await _raw_form(request))
        params = validate_request(route.params, raw)
        _refuse_unsimulated(params, route)
        call = Call(route, ids, path, params, request_id, _idempotency_key(request))
        if request.method == "GET":
            async with self._store.read() as connection:
                return Answer(200, await self._execute(connection, call))
        return await self._write(call)

    def _find(self, method: str, path: str) -> tuple[Route, tuple[str, ...]]:
        for route in self._routes if path.isprintable() else ():
            if (ids := route.match(method, path)) is not None:
                return route, ids
        raise StripeError(404, f"Unrecognized request URL ({method}: {path}).")

    async def _write(self, call: Call) -> Answer:
        """Two calls with one key never run beside each other."""
        if call.key in self._in_flight:
            raise idempotency.in_use(str(call.key))
        if call.key:
            self._in_flight.add(call.key)
        try:
            async with self._store.write() as connection:
                answer = await self._once(connection, call)
        finally:
            self._in_flight.discard(call.key or "")
        self._books.wake()
        return answer

    async def _once(self, connection: Connection, call: Call) -> Answer:
        if call.key is None:
            return await self._attempt(connection, call)
        now = self._books.now()
        print_ = idempotency.fingerprint(call.route.method, call.path, call.params)
        answer = await idempotency.find_answer(connection, call.key, print_, now)
        if answer is None:
            answer = await self._attempt(connection, call)
            await idempotency.keep_answer(connection, call.key, print_, now, answer)
        return answer

    async def _attempt(self, connection: Connection, call: Call) -> Answer:
        """A refusal undoes what was done before it, unless it says that this stands."""
        try:
            async with connection.transaction():
                try:
                    return Answer(200, await self._execute(connection, call))
                except StripeError as error:
                    if error.keeps_effects:
                        return Answer(error.status, error.body)
                    raise
        except StripeError as error:
            return Answer(error.status, error.body)

    async def _execute(self, connection: Connection, call: Call) -> Body:
        account = self._books.account(connection, call.request_id, call.key)
        paths = call.params.pop("expand", [])
        body = await call.route.handler(account, call.params, *call.ids)
        return dict(without_private(await expand(account, body, paths)))


def _authenticate(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise StripeError(401, "You did not provide an API key.")
    if not _KEY.fullmatch(key):
        raise StripeError(401, f"Invalid API Key provided: {key[:8]}****; the twin takes sk_test_… keys.")
    version = request.headers.get("stripe-version", API_VERSION)
    if version != API_VERSION:
        raise invalid(f"The twin speaks Stripe API version {API_VERSION} only, not {version}.")


async def _raw_form(request: Request) -> bytes:
    """Parameters come in the query of a GET or DELETE and in the body of a POST."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise StripeError(413, "The request body is too large.")
    query = bytes(request.scope["query_string"])
    return bytes(raw) + b"&" + query if raw and query else bytes(raw) or query


def _refuse_unsimulated(params: Body, route: Route) -> None:
    for name in params:
        if name != "expand" and name not in route.accepts.split():
            raise invalid(
                f"Stripe knows the parameter `{name}`, but this twin does not simulate it; see its README.",
                param=name,
                code="parameter_unsupported",
            )


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key") or None
    if key and len(key) > idempotency.MAX_KEY_LENGTH:
        raise idempotency.too_long()
    return key if request.method == "POST" else None


def _response(answer: Answer, request_id: str, request: Request) -> Response:
    headers: dict[str, Any] = {"request-id": request_id, "stripe-version": API_VERSION}
    if key := request.headers.get("idempotency-key"):
        headers["idempotency-key"] = key
    if answer.replayed:
        headers["idempotent-replayed"] = "true"
    return Response(json.dumps(answer.body), answer.status, headers, "application/json")
