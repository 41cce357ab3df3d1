"""A running twin on a loopback port, the real SDK before it, and a small receiver of webhooks behind it."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import stripe
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.stripe_twin.app import create_twin
from deploy.stripe_twin.conformance import resource_problems
from deploy.stripe_twin.settings import TwinSettings
from shared.clock import ManualClock
from tests.support.postgres import server_url, url_of

SECRET = "whsec_test_secret"
KEY = "sk_test_twin"
WAIT_SECONDS = 15.0
DAY = 86_400


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll a fact that another thread or process makes true; fail loudly when it stays false."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {WAIT_SECONDS} s in vain: {what}")
        time.sleep(0.01)


class Receiver:
    """Accepts webhooks, verifies them with the SDK, and remembers them in order of arrival."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.refusals = 0
        self.answer_with: list[int] = []
        self.problems: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                self.send_response(receiver.accept(body, self.headers["stripe-signature"]))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/webhooks/stripe"

    def accept(self, body: str, signature: str) -> int:
        if self.answer_with and (status := self.answer_with.pop(0)) >= 300:
            self.refusals += 1
            return status
        stripe.Webhook.construct_event(body, signature, SECRET)  # type: ignore[no-untyped-call]
        event = json.loads(body)
        self.problems += resource_problems(event)
        self.events.append(event)
        return 200

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def of_type(self, kind: str) -> list[Any]:
        return [event for event in self.events if event["type"] == kind]

    def wait_for(self, *types: str) -> None:
        wait_until(lambda: set(types) <= set(self.types()), f"{types} among {self.types()}")

    def clear(self) -> None:
        self.events, self.refusals, self.answer_with = [], 0, []

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Checked:
    """ASGI middleware that holds every API answer to the SDK's resource types."""

    def __init__(self, app: ASGIApp, problems: list[str]) -> None:
        self._app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/twin/stripe/v1/"):
            await self._app(scope, receive, send)
            return
        status, body = 0, b""

        async def watch(message: Message) -> None:
            nonlocal status, body
            status = message.get("status", status)
            body += message.get("body", b"")
            await send(message)

        await self._app(scope, receive, watch)
        if status == 200 and body:
            self._problems += resource_problems(json.loads(body))


class Bench:
    """What a test holds: the SDK's client, the controls, the receiver, and the clock."""

    def __init__(self, url: str, receiver: Receiver, clock: ManualClock, problems: list[str]) -> None:
        self.url = url
        self.receiver = receiver
        self.clock = clock
        self.problems = problems
        self.http = httpx.Client(timeout=20)
        self._sdk_http = stripe.HTTPXClient(timeout=20, allow_sync_methods=True)
        self.stripe = client(url, self._sdk_http)

    def control(self, path: str, /, **body: Any) -> Any:
        response = self.http.post(f"{self.url}/_control/{path}", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def pay(self, session: Any, card: str = "ok", **more: Any) -> Any:
        return self.control(f"checkout/{session['id']}/pay", card=card, **more)

    def advance(self, seconds: float) -> Any:
        return self.control("clock/advance", seconds=seconds)

    def price(self, amount: int = 1900, interval: str | None = "month", currency: str = "usd", **more: Any) -> Any:
        recurring = {"recurring": {"interval": interval}} if interval else {}
        return self.stripe.v1.prices.create(
            {"currency": currency, "unit_amount": amount, "product_data": {"name": "A plan"}, **recurring, **more}
        ).to_dict()

    def customer(self, **more: Any) -> Any:
        return self.stripe.v1.customers.create({"email": "ada@example.com", **more}).to_dict()

    def session(self, price: Any = None, **more: Any) -> Any:
        price = price or self.price()
        return self.stripe.v1.checkout.sessions.create(
            {
                "mode": "subscription" if price["recurring"] else "payment",
                "line_items": [{"price": price["id"], "quantity": 1}],
                "success_url": "http://127.0.0.1/done?session={CHECKOUT_SESSION_ID}",
                "cancel_url": "http://127.0.0.1/back",
                **more,
            }
        ).to_dict()

    def subscribe(self, card: str = "ok", price: Any = None, **more: Any) -> Any:
        """A paid checkout's subscription."""
        paid = self.pay(self.session(price, customer=self.customer()["id"], **more), card)
        return self.subscription(paid["subscription"])

    def subscription(self, subscription_id: str) -> Any:
        return self.stripe.v1.subscriptions.retrieve(subscription_id).to_dict()

    def buy(self, amount: int = 5000, card: str = "ok") -> Any:
        """The payment intent of a paid one-time checkout."""
        paid = self.pay(self.session(self.price(amount, None)), card)
        return self.stripe.v1.payment_intents.retrieve(paid["payment_intent"]).to_dict()

    def raw(self, path: str) -> Any:
        """The JSON of an API object, before the SDK makes its own values of it."""
        return self.http.get(f"{self.url}{path}", headers={"authorization": f"Bearer {KEY}"}).json()

    def invoices(self, subscription: Any) -> list[Any]:
        """Oldest first."""
        found = self.stripe.v1.invoices.list({"subscription": subscription["id"], "limit": 100}).to_dict()
        return list(reversed(found["data"]))

    def quiet(self) -> None:
        """Wait until every event has been delivered."""
        wait_until(lambda: not self._undelivered(), "all events delivered")

    def _undelivered(self) -> list[Any]:
        return list(self.stripe.v1.events.list({"delivery_success": False}).data)

    def close(self) -> None:
        self.http.close()
        self._sdk_http.close()


def client(url: str, http: stripe.HTTPXClient, **more: Any) -> stripe.StripeClient:
    return stripe.StripeClient(KEY, base_addresses={"api": url}, http_client=http, **more)


@contextmanager
def database() -> Iterator[str]:
    name = f"twin_{uuid4().hex[:12]}"
    with psycopg.connect(server_url(), autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
        yield url_of(name)
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[arg-type]


class Serving:
    """Uvicorn in a thread, with its own event loop."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        wait_until(lambda: self._server.started, "the twin listens")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@contextmanager
def running_bench(port: int) -> Iterator[Bench]:
    receiver, clock, problems, url = Receiver(), ManualClock(), list[str](), f"http://127.0.0.1:{port}/twin/stripe"
    with database() as database_url:
        http = httpx.AsyncClient()
        settings = TwinSettings(
            database_url=database_url, public_url=url, webhook_url=receiver.url, webhook_secret=SECRET, http=http
        )
        serving = Serving(Checked(create_twin(settings, clock), problems), port)
        bench = Bench(url, receiver, clock, problems)
        try:
            yield bench
        finally:
            bench.close()
            serving.stop()
            receiver.stop()
            asyncio.run(http.aclose())
