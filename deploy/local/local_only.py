"""Keeps the pages that exist only locally away from other hosts and other sites.

A page anywhere on the web can send requests to 127.0.0.1, and a name can be made to point there. So the Host header
must be one of ours, and a request that says it comes from another origin is refused.
"""

from urllib.parse import urlsplit

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import Forbidden

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class LocalOnly:
    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        port = f":{parts.port}" if parts.port else ""
        self._hosts = {f"{name}{port}" for name in LOOPBACK_NAMES} | {parts.netloc}
        self._origins = {f"{parts.scheme}://{host}" for host in self._hosts}

    def guard(self, app: ASGIApp, prefix: str) -> ASGIApp:
        """The app, with paths under `prefix` closed to foreign hosts and origins."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"].startswith(prefix) and not self._is_ours(scope):
                problem = Forbidden("This is open to the local machine only.")
                body = orjson.dumps(problem.body(None))
                await Response(body, problem.status, media_type="application/problem+json")(scope, receive, send)
                return
            await app(scope, receive, send)

        return guarded

    def _is_ours(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        return headers.get("host") in self._hosts and (origin is None or origin in self._origins)
