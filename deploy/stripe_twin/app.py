"""The twin as one ASGI app under /twin/stripe."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Path

from deploy.stripe_twin.api import Api
from deploy.stripe_twin.books import Books
from deploy.stripe_twin.control import Controls
from deploy.stripe_twin.due import keep_time
from deploy.stripe_twin.errors import StripeError
from deploy.stripe_twin.html import note, page
from deploy.stripe_twin.outbound import DeliveryWorker
from deploy.stripe_twin.pages import Pages
from deploy.stripe_twin.routes import ROUTES
from deploy.stripe_twin.settings import PREFIX, Clock, TwinSettings
from deploy.stripe_twin.store import Store

log = logging.getLogger(__name__)
Endpoint = Callable[[Request], Awaitable[Response]]
ANY = ["GET", "POST", "DELETE", "PUT", "PATCH"]


def create_twin(settings: TwinSettings, clock: Clock) -> Starlette:
    """Its lifespan opens the database, delivers webhooks and follows the clock; the caller owns `settings.http`."""
    store = Store(settings.database_url)
    worker = DeliveryWorker(store, settings.http)
    books = Books(store, clock, settings.public_url.rstrip("/"), worker.wake)
    api, pages, controls = Api(books, ROUTES), Pages(books), Controls(books, settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await store.open()
        await controls.configure()
        tasks = [asyncio.create_task(worker.run()), asyncio.create_task(keep_time(books))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await store.close()

    routes = [Path(f"{PREFIX}/v1/{{path:path}}", api.handle, methods=ANY), *_pages(pages), *_controls(controls)]
    return Starlette(routes=routes, lifespan=lifespan)


def _pages(pages: Pages) -> list[Path]:
    both = ["GET", "POST"]
    return [
        Path(f"{PREFIX}/checkout/{{session_id}}", _as_page(pages.checkout), methods=both),
        Path(f"{PREFIX}/portal/{{session_id}}", _as_page(pages.portal), methods=both),
        Path(f"{PREFIX}/invoice/{{invoice_id}}", _as_page(pages.invoice), methods=both),
        Path(PREFIX, _as_page(pages.index), methods=["GET"]),
        Path(f"{PREFIX}/", _as_page(pages.index), methods=["GET"]),
    ]


def _controls(controls: Controls) -> list[Path]:
    paths: dict[str, Endpoint] = {
        "checkout/{session_id}/pay": controls.pay,
        "checkout/{session_id}/confirm": controls.confirm,
        "clock/advance": controls.advance,
        "delivery": controls.delivery,
        "events/{event_id}/resend": controls.resend,
        "faults": controls.fault,
        "payments/{payment_intent}/{action}": controls.payment,
        "refunds/{refund_id}/fail": controls.fail_refund,
        "customers/{customer_id}/card": controls.replace_card,
        "reset": controls.reset,
    }
    return [Path(f"{PREFIX}/_control/{path}", _as_control(each), methods=["POST"]) for path, each in paths.items()]


def _as_page(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            _check(request)
            return await endpoint(request)
        except StripeError as error:
            return page("Stripe twin", note(str(error), "error"), status=error.status)

    return answer


def _as_control(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            _check(request)
            return await endpoint(request)
        except StripeError as error:
            return JSONResponse(error.body, error.status)

    return answer


def _check(request: Request) -> None:
    """Another site's page must not press our buttons; programs send no Origin."""
    if not request.url.path.isprintable():
        raise StripeError(404, "There is nothing of this name.")
    origin = request.headers.get("origin")
    if request.method != "POST" or origin is None:
        return
    if urlsplit(origin).netloc != request.headers.get("host"):
        raise StripeError(403, "This request comes from another origin.")
