"""Apps that stand behind a gateway under test: they echo what arrives, stream, stall and fall over."""

import asyncio
from types import SimpleNamespace

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from services.jobs.app import service as jobs
from shared.errors import BadRequest, RateLimited, Unauthorized
from shared.identity import IDENTITY_HEADER
from shared.routing import Router
from shared.service import Service
from shared.settings import Settings
from tests.support.toy import MIGRATIONS, Base

EVENTS = 4
EVENT_PAUSE = 0.15


def probe_service(name: str, *paths: str, **body_limits: int) -> Service:
    limits = {f"/v1/{prefix}": limit for prefix, limit in body_limits.items()}
    return Service(
        name=name,
        paths=paths,
        router=Router(),
        metadata=Base.metadata,
        migrations=MIGRATIONS,
        settings=Settings,
        body_limits=limits,
    )


SERVICES = (
    probe_service("accounts", "/v1/auth/*", "/v1/me*"),
    probe_service("billing", "/v1/billing/*", "/r/{code}", **{"billing/large": 3 * 1024 * 1024}),
    # As it is: what runners and browsers send to it is what the gateways must let through.
    probe_service(
        "jobs", *jobs.paths, **{prefix.removeprefix("/v1/"): most for prefix, most in jobs.body_limits.items()}
    ),
)


def verdict(headers: dict[str, str], audience: str) -> tuple[int, dict[str, str], Exception | None]:
    """What accounts would say: one good credential, one that is over its limit, everything else is bad."""
    credential, cookie = headers.get("authorization"), headers.get("cookie", "")
    if credential and "sid=" in cookie:
        return 400, {}, BadRequest("Two credentials at once.")
    if credential is None and "sid=" not in cookie:
        return 200, {}, None
    if credential == "Bearer good" or "sid=good" in cookie:
        return 200, {IDENTITY_HEADER: f"token-for-{audience}"}, None
    if credential == "Bearer busy":
        return 429, {"Retry-After": "7"}, RateLimited(7)
    return 401, {}, Unauthorized()


class Accounts:
    """Accounts as the gateways ask it: a function in process, a route over HTTP. It can be switched off."""

    def __init__(self) -> None:
        self.down = False

    async def verify(self, *, audience, method, path, headers, client_ip):
        if self.down:
            raise ConnectionError
        status, found, problem = verdict(headers, audience)
        return SimpleNamespace(status=status, headers=found, problem=problem)

    async def answer(self, request: Request) -> Response:
        status, found, problem = verdict(dict(request.headers), request.query_params["aud"])
        body = orjson.dumps(problem.body(None)) if problem else b""
        return Response(body, status, found, media_type="application/problem+json" if problem else None)


class Probe:
    """One service behind the gateway; remembers whether its streams saw the reader leave."""

    def __init__(self, name: str, accounts: Accounts) -> None:
        self.name, self.left = name, asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/_verify", accounts.answer),
                Route("/v1/billing/stream", self.stream),
                Route("/v1/billing/forever", self.forever),
                Route("/v1/billing/broken", self.broken),
                Route("/v1/billing/boom", self.boom, methods=["GET", "POST"]),
                Route("/v1/billing/teapot", self.teapot),
                Route("/{path:path}", self.echo, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]),
            ]
        )

    async def echo(self, request: Request) -> Response:
        body = await request.body()
        return JSONResponse(
            {
                "service": self.name,
                "client": request.client.host if request.client else None,
                "method": request.method,
                "path": request.url.path,
                "query": request.url.query,
                "headers": [[name, value] for name, value in request.headers.items()],
                "bytes": len(body),
            },
            headers={"Set-Cookie": "probe=1", "Server": "probe"},
        )

    async def stream(self, _request: Request) -> Response:
        async def events():
            for number in range(EVENTS):
                yield f"id: {number}\nevent: tick\ndata: {number}\n\n"
                await asyncio.sleep(EVENT_PAUSE)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def forever(self, _request: Request) -> Response:
        async def events():
            try:
                while True:
                    yield ": ping\n\n"
                    await asyncio.sleep(0.05)
            finally:
                self.left.set()

        return StreamingResponse(events(), media_type="text/event-stream")

    async def broken(self, _request: Request) -> Response:
        async def half():
            yield b"half"
            raise ConnectionError("The other half is lost.")

        return StreamingResponse(half(), headers={"Content-Length": "8"})

    async def boom(self, _request: Request) -> Response:
        raise RuntimeError("secret internals")

    async def teapot(self, _request: Request) -> Response:
        body = {"type": "/problems/teapot", "status": 418, "title": "Short and stout", "code": "teapot"}
        return JSONResponse(body, 418, media_type="application/problem+json")
