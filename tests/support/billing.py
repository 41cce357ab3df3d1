"""Billing beside a real twin: the SDK over HTTP one way, signed webhooks over HTTP the other way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg

from deploy.stripe_twin.app import create_twin
from deploy.stripe_twin.settings import TwinSettings
from services.billing.app import service
from services.billing.usecases.webhooks import HANDLED
from shared.clock import ManualClock
from shared.contracts.accounts import UserRegistered
from shared.ids import new_id
from tests.support.loopback import listening_socket, served
from tests.support.postgres import server_url, url_of
from tests.support.services import RunningService, running_service

Before = Callable[[httpx.AsyncClient], Awaitable[None]]
WEBHOOK_SECRET = "whsec_of_the_tests"


# The twin tries a refused delivery again after a second at first.
SETTLE_SECONDS = 30


@dataclass
class Shop:
    """A billing service, its Stripe, and the hands of the people on both sides."""

    svc: RunningService
    twin: httpx.AsyncClient
    stripe_url: str
    webhook_base: str
    twin_database: str

    async def empty(self) -> None:
        """Both sides forget everything, so that tests can share them; the clock goes on."""
        await self.control("reset")
        tables = await self.svc.rows(
            "SELECT quote_ident(tablename) AS name FROM pg_tables"
            " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        names = ", ".join(row["name"] for row in tables)
        async with self.svc.runtime.database.pool.connection() as connection:
            await connection.execute(f"TRUNCATE {names}")  # type: ignore[arg-type]

    async def stripe(self, method: str, path: str, **fields: Any) -> Any:
        """What somebody does at Stripe itself: in its dashboard, or with its API."""
        place = {"params": fields} if method == "GET" else {"data": fields}
        answer = await self.twin.request(
            method, f"/twin/stripe/v1/{path}", headers={"Authorization": "Bearer sk_test_twin"}, **place
        )
        assert answer.is_success, answer.text
        return answer.json()

    async def register(self) -> UUID:
        user_id = new_id()
        await self.svc.receive(
            UserRegistered(
                user_id=user_id,
                handle=f"u{user_id.hex[-8:]}",
                display_name="Customer",
                locale="en",
                email_fingerprint=user_id.hex,
                registered_at=self.svc.clock.now(),
            )
        )
        return user_id

    async def checkout(self, user_id: UUID, plan_id: str = "viral", interval: str = "month", **body: Any) -> Any:
        async with self.svc.client(user_id) as client:
            answer = await client.post("/v1/billing/checkout", json={"plan_id": plan_id, "interval": interval, **body})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def pay(self, session_id: str, card: str = "ok") -> None:
        await self.control(f"checkout/{session_id}/pay", card=card)

    async def buy(self, user_id: UUID, plan_id: str = "viral") -> dict[str, Any]:
        """A paid plan; returns the payment."""
        checkout = await self.checkout(user_id, plan_id)
        await self.pay(checkout["session_id"])
        await self.settle()
        payments = await self.payments(user_id)
        assert payments[0]["status"] == "PAID", payments
        return payments[0]

    async def control(self, path: str, /, **body: Any) -> Any:
        answer = await self.twin.post(f"/twin/stripe/_control/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def advance(self, days: float) -> None:
        await self.control("clock/advance", seconds=int(days * 86400))
        await self.settle()

    async def settle(self) -> None:
        """Deliver what Stripe has to say, work it off and let events flow, until nothing is left."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                pending = await self.undelivered()
                worked = await self.svc.runtime.parts.work_off_webhooks()
                await self.svc.bus.drain()
                if not pending and not worked:
                    return

    async def undelivered(self) -> int:
        answer = await self.twin.get(
            "/twin/stripe/v1/events",
            params={"delivery_success": "false", "limit": 100},
            headers={"Authorization": "Bearer sk_test_twin"},
        )
        return len(answer.json()["data"])

    async def payments(self, user_id: UUID) -> list[dict[str, Any]]:
        async with self.svc.client(user_id) as client:
            return (await client.get("/v1/billing/payments")).json()["items"]

    async def entitlement(self, user_id: UUID) -> dict[str, Any]:
        async with self.svc.client(user_id) as client:
            return (await client.get("/v1/billing/entitlement")).json()

    async def refund(self, payment_id: str, key: str | None = None, **body: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        async with self.svc.admin(new_id()) as admin:
            return await admin.post(
                f"/v1/admin/billing/payments/{payment_id}/refund", json={"reason": "duplicate", **body}, headers=headers
            )


@asynccontextmanager
async def open_shop(*, before: Before | None = None, **settings: Any) -> AsyncIterator[Shop]:
    """`before` meets the twin before billing does."""
    clock = ManualClock()
    with _twin_database() as database_url:
        async with AsyncExitStack() as stack:
            ours, stripes = listening_socket(), listening_socket()
            stripe_url = f"http://127.0.0.1:{stripes.getsockname()[1]}/twin/stripe"
            http = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
            twin = create_twin(
                TwinSettings(
                    database_url=database_url,
                    public_url=stripe_url,
                    webhook_url=f"http://127.0.0.1:{ours.getsockname()[1]}/v1/webhooks/stripe",
                    webhook_secret=WEBHOOK_SECRET,
                    webhook_events=tuple(HANDLED),
                    environment="local",
                    http=http,
                ),
                clock,
            )
            await stack.enter_async_context(served(twin, stripes, lifespan="on"))
            client = await stack.enter_async_context(
                httpx.AsyncClient(base_url=stripe_url.removesuffix("/twin/stripe"), timeout=60)
            )
            if before:
                await before(client)
            svc = await stack.enter_async_context(
                running_service(
                    service,
                    clock=clock,
                    stripe_secret_key="sk_test_twin",
                    stripe_webhook_secret=WEBHOOK_SECRET,
                    stripe_api_base=stripe_url,
                    **settings,
                )
            )
            await stack.enter_async_context(served(svc.app, ours))
            yield Shop(svc, client, stripe_url, f"http://127.0.0.1:{ours.getsockname()[1]}", database_url)


class _twin_database:  # noqa: N801 - used as a block
    def __enter__(self) -> str:
        self.name = f"twin_{uuid4().hex[:12]}"
        with psycopg.connect(server_url(), autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{self.name}"')
        return url_of(self.name)

    def __exit__(self, *_: object) -> None:
        with psycopg.connect(server_url(), autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
