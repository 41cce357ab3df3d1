"""The community with its first content, and the events and hands that its tests need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.community.app import service
from services.community.models import Base
from services.community.seed import seed
from shared.contracts.accounts import UserRegistered
from shared.contracts.billing import (
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentPaid,
    PaymentRefunded,
    PaymentRefundReverted,
)
from shared.events.inbox import Inbox
from shared.ids import new_id
from tests.support.services import RunningService, running_service

VIRAL = 3900
_PAY_OUT = """
    WITH free AS (
        SELECT e.id, e.delta FROM commission_entries e JOIN commissions c ON c.id = e.commission_id
         WHERE c.affiliate_id = %(affiliate)s AND NOT EXISTS (SELECT FROM payout_entries WHERE entry_id = e.id)
    ), made AS (
        INSERT INTO payouts (id, affiliate_id, amount, currency, status, created_at, updated_at)
        SELECT %(id)s, %(affiliate)s, coalesce(sum(delta), 0), 'usd', 'paid', %(now)s, %(now)s FROM free
        RETURNING id, amount
    ), gathered AS (INSERT INTO payout_entries (entry_id, payout_id) SELECT free.id, made.id FROM free, made)
    SELECT amount FROM made
"""
TABLES = {table.name: table for table in Base.metadata.sorted_tables}
# What the seed fills; parents first.
SEEDED = [TABLES[name] for name in ("forum_categories", "faq_categories", "faq_items", "outbox")]


@dataclass
class Money:
    """The events of one payment, as billing would tell them, each with its place in the payment's history."""

    user_id: UUID
    paid_at: datetime
    net: int = VIRAL
    payment_id: UUID = field(default_factory=new_id)

    def paid(self) -> PaymentPaid:
        return PaymentPaid(
            payment_id=self.payment_id,
            user_id=self.user_id,
            kind="subscription_create",
            plan_id="viral",
            amount_total=self.net,
            amount_tax=0,
            amount_discount=0,
            amount_net=self.net,
            currency="usd",
            is_first_payment=True,
            paid_at=self.paid_at,
        )

    def refunded(self, remaining: int, *, reverted: bool = False) -> PaymentRefunded | PaymentRefundReverted:
        kind = PaymentRefundReverted if reverted else PaymentRefunded
        return kind(
            payment_id=self.payment_id,
            refund_id=new_id(),
            user_id=self.user_id,
            refund_amount=self.net - remaining,
            amount_refunded_total=self.net - remaining,
            amount_net_remaining=remaining,
            currency="usd",
            full=remaining == 0,
        )

    def disputed(self, dispute_id: UUID, outcome: str | None = None) -> PaymentDisputed | PaymentDisputeClosed:
        kind = PaymentDisputeClosed if outcome else PaymentDisputed
        return kind(
            payment_id=self.payment_id,
            dispute_id=dispute_id,
            user_id=self.user_id,
            amount=self.net,
            currency="usd",
            state=outcome or "needs_response",
            outcome=outcome,
        )


@dataclass
class Village:
    """The running service, and people who do things in it through HTTP and events."""

    svc: RunningService

    async def call(self, method: str, path: str, user_id: UUID | None = None, **options: Any) -> Any:
        """The answer, whatever its status."""
        claims = {"roles": ["user", *options.pop("roles")]} if "roles" in options else {}
        async with self.svc.client(user_id, **claims) as client:
            return await client.request(method, path, **options)

    async def get(self, path: str, user_id: UUID | None = None, **params: Any) -> Any:
        answer = await self.call("GET", path, user_id, params=params or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, user_id: UUID, body: Any, status: int = 201, **options: Any) -> Any:
        answer = await self.call("POST", path, user_id, json=body, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def admin(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        return await self.call(method, path, new_id(), roles=["admin"], json=body, **options)

    async def hear_itself(self) -> None:
        """Deliver what the community told and itself listens to, as a transport would; again is as good as once."""
        heard = {entry.event.event_type for entry in self.svc.service.subscribes}
        told = [envelope for envelope in await self.svc.published() if envelope["type"] in heard]
        runtime = self.svc.runtime
        await Inbox(runtime.database, self.svc.service.name, self.svc.service.subscribes).store(told)
        await self.svc.bus.drain()

    def registration(self, user_id: UUID | None = None, **facts: Any) -> UserRegistered:
        user_id = user_id or new_id()
        values = {
            "handle": f"u{user_id.hex[-10:]}",
            "display_name": "Somebody",
            "locale": "en",
            "email_fingerprint": user_id.hex,
            "registered_at": self.svc.clock.now(),
            **facts,
        }
        return UserRegistered(user_id=user_id, **values)

    async def register(self, user_id: UUID | None = None, **facts: Any) -> UUID:
        event = self.registration(user_id, **facts)
        await self.svc.receive(event)
        return event.user_id

    async def affiliate(self, **facts: Any) -> tuple[UUID, str]:
        """A new user who joined the programme, and their code."""
        user_id = await self.register(**facts)
        return user_id, (await self.post("/v1/affiliates/apply", user_id, {}))["code"]

    async def customer(self, code: str, **facts: Any) -> UUID:
        return await self.register(referral_code=code, **facts)

    async def pay(self, user_id: UUID, net: int = VIRAL) -> Money:
        money = Money(user_id, self.svc.clock.now(), net)
        await self.svc.receive(money.paid())
        return money

    async def pay_out(self, user_id: UUID) -> int:
        """Pay the affiliate every entry that no payout has yet, as a payout run would; returns the amount."""
        affiliate = (await self.me(user_id))["id"]
        [paid] = await self.svc.rows(_PAY_OUT, id=new_id(), affiliate=affiliate, now=self.svc.clock.now())
        return int(paid["amount"])

    async def me(self, user_id: UUID) -> Any:
        return await self.get("/v1/affiliates/me", user_id)

    async def commissions(self, user_id: UUID) -> Any:
        return (await self.get("/v1/affiliates/me/commissions", user_id))["items"]

    async def topic(self, user_id: UUID, **body: Any) -> Any:
        return await self.post("/v1/forum/topics", user_id, {"title": "Cats", "content": "About *cats*.", **body})

    async def comment(self, user_id: UUID, topic_id: str, content: str = "Indeed.", parent: str | None = None) -> Any:
        body = {"content": content, "parent_id": parent}
        return await self.post(f"/v1/forum/topics/{topic_id}/comments", user_id, body)


@asynccontextmanager
async def open_village(**settings: Any) -> AsyncIterator[Village]:
    async with running_service(service, **settings) as svc:
        await seed(svc.runtime)
        yield Village(svc)


async def remember_beginning(village: Village) -> None:
    """Keep a copy of what the seed made, for `begin_again`."""
    async with village.svc.runtime.database.pool.connection() as connection:
        await connection.execute("CREATE SCHEMA beginning")
        for table in SEEDED:
            await connection.execute(f'CREATE TABLE beginning."{table.name}" AS TABLE "{table.name}"')


async def begin_again(village: Village) -> None:
    """Bring every table back to what the seed made: ten times as fast as another database and another service.

    Without triggers and foreign keys, and by DELETE: TRUNCATE makes new files for a hundred indexes.
    """
    async with village.svc.runtime.database.pool.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("; ".join(f'DELETE FROM "{name}"' for name in TABLES))
        for table in SEEDED:
            columns = ", ".join(f'"{column.name}"' for column in table.columns if column.computed is None)
            kept = f'SELECT {columns} FROM beginning."{table.name}"'
            await connection.execute(f'INSERT INTO "{table.name}" ({columns}) OVERRIDING SYSTEM VALUE {kept}')
