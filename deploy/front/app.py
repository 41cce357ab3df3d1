"""The front door as one small ASGI app behind both gateways."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from deploy.front import pages
from deploy.front.openapi import merged
from shared.errors import NotFound
from shared.http import problem_response, request_id_of

MAILS_SHOWN = 200


@dataclass(frozen=True)
class FrontSettings:
    """`documents` and `health` ask the services: their OpenAPI documents by name, and which of them are ready."""

    local: bool
    mail_folder: Path
    documents: Callable[[], Awaitable[dict[str, dict[str, Any]]]]
    health: Callable[[], Awaitable[dict[str, bool]]]


def create_front(settings: FrontSettings) -> Starlette:
    async def show_home(_request: Request) -> Response:
        return _html(pages.home_page(await settings.health(), local=settings.local))

    async def show_docs(_request: Request) -> Response:
        return _html(pages.docs_page(merged(await settings.documents())))

    async def show_openapi(_request: Request) -> Response:
        return _json(merged(await settings.documents()))

    async def show_mail(request: Request) -> Response:
        if not settings.local:
            return await _not_found(request)
        mails = mails_in(settings.mail_folder, request.query_params.get("to"))
        wants_page = "text/html" in request.headers.get("accept", "")
        return _html(pages.mail_page(mails)) if wants_page else _json({"items": mails})

    def fixed(html: str) -> Callable[[Request], Awaitable[Response]]:
        async def show(_request: Request) -> Response:
            return _html(html)

        return show

    return Starlette(
        routes=[
            Route("/", show_home),
            Route("/docs", show_docs),
            Route("/openapi.json", show_openapi),
            Route("/dev/mail", show_mail),
            Route("/verify", fixed(pages.verify_page())),
            Route("/reset", fixed(pages.reset_page())),
            Route("/billing/success", fixed(pages.billing_page(paid=True))),
            Route("/billing/cancel", fixed(pages.billing_page(paid=False))),
        ],
        exception_handlers={404: _missing, 405: _missing},
    )


def mails_in(folder: Path, address: str | None) -> list[dict[str, Any]]:
    """Mails kept locally, newest first; with `address`, only those to it. File names sort by time."""
    found = []
    for path in sorted(folder.glob("*.json"), reverse=True) if folder.exists() else []:
        mail = orjson.loads(path.read_bytes())
        if address is None or mail["to"].casefold() == address.casefold():
            found.append(mail)
        if len(found) == MAILS_SHOWN:
            break
    return found


async def _missing(request: Request, _error: Exception) -> Response:
    return await _not_found(request)


async def _not_found(request: Request) -> Response:
    return problem_response(NotFound(), request_id_of(request.headers))


def _html(html: str) -> Response:
    return HTMLResponse(html, headers={"Content-Security-Policy": pages.CONTENT_SECURITY_POLICY})


def _json(body: Any) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
