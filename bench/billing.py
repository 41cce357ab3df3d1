"""Webhooks from the answer to their effect in another service, and the reconciler, beside what their commits cost."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
import uvloop

from bench.billing_copies import copy_subscriber
from bench.board import Figure, percentile
from bench.settings import Settings
from services.billing.app import service as billing
from services.billing.parts import work_for_ever
from services.billing.usecases.reconcile import reconcile_some
from services.community.app import service as community
from services.community.handlers import record_payment
from shared.contracts.billing import PaymentPaid
from shared.database import WriteSession
from shared.events.bus import Bus
from shared.events.event import EventContext
from shared.events.local import LocalTransport
from shared.service import Service
from tests.support.billing import Shop, open_shop
from tests.support.billing_stories import KEY, WEBHOOKS, signed
from tests.support.postgres import throwaway_server
from tests.support.services import running_service

# Storing the webhook, claiming it, working it off, taking the event in, and its effect.
COMMITS_ON_THE_WAY = 5
PERCENTILES = (("p50", 0.5), ("p99", 0.99))
COMMIT = "INSERT INTO bare (payload) VALUES (%s)"

Event = dict[str, Any]


@dataclass
class Effects:
    """When each payment was recorded by the community: after the commit of its handler."""

    at: dict[UUID, float] = field(default_factory=dict)
    noted: asyncio.Event = field(default_factory=asyncio.Event)

    async def record(self, session: WriteSession, event: PaymentPaid, context: EventContext) -> None:
        await record_payment(session, event, context)
        session.after_commit(lambda: self._note(event.user_id))

    def _note(self, user_id: UUID) -> None:
        self.at[user_id] = time.perf_counter()
        self.noted.set()

    async def of(self, user_id: UUID) -> float:
        while user_id not in self.at:
            self.noted.clear()
            await asyncio.wait_for(self.noted.wait(), 30)
        return self.at[user_id]


def measure(settings: Settings) -> list[Figure]:
    with throwaway_server(durable=True):
        return uvloop.run(_measure(settings))


async def _measure(settings: Settings) -> list[Figure]:
    return [
        *await _with_shop(settings, _answers),
        *await _with_shop(settings, _backlog),
        *await _with_shop(settings, _effects),
        *await _with_shop(settings, _reconciliation),
    ]


async def _with_shop(
    settings: Settings, bench: Callable[[Shop, httpx.AsyncClient, Settings], Awaitable[list[Figure]]]
) -> list[Figure]:
    async with open_shop() as shop, httpx.AsyncClient(base_url=shop.webhook_base) as web:
        await shop.control("delivery", drop=True)
        async with shop.svc.runtime.database.pool.connection() as connection:
            await connection.execute("CREATE TABLE bare (id bigserial PRIMARY KEY, payload jsonb NOT NULL)")
        return await bench(shop, web, settings)


async def _answers(shop: Shop, web: httpx.AsyncClient, settings: Settings) -> list[Figure]:
    """How long Stripe waits for our 200 while nothing works the events off."""
    names = (("p50", 0.5), ("p95", 0.95))
    figures = [Figure("", f"webhook answered, processing stopped, {at}", "ms", "one commit") for at, _ in names]
    [template] = await _bought(shop, 1, "invoice.paid")
    for run in range(settings.runs):
        events = [{**template, "id": f"evt_{run}_{number}"} for number in range(settings.samples)]
        ours = [await _timed(lambda event=event: _post(web, event)) for event in events]
        theirs = [await _timed(lambda event=event: _commit(shop, event)) for event in events]
        for figure, (_, share) in zip(figures, names, strict=True):
            figure.add(percentile(ours, share), percentile(theirs, share))
    return figures


async def _backlog(shop: Shop, web: httpx.AsyncClient, settings: Settings) -> list[Figure]:
    """Events that wait, each with a change to record: a payment that nobody was told of."""
    figure = Figure("", "webhooks worked off, one worker", "events/s", "bare commits, two for each")
    for _ in range(settings.runs):
        events = await _bought(shop, max(1, settings.samples // 4), "invoice.paid")
        for event in events:
            await _post(web, event)
        took = await _timed(shop.svc.runtime.parts.work_off_webhooks)
        bare = sum([await _timed(lambda event=event: _commit(shop, event)) for event in events for _ in range(2)])
        figure.add(1000 * len(events) / took, 1000 * len(events) / bare)
    return [figure]


async def _effects(shop: Shop, web: httpx.AsyncClient, settings: Settings) -> list[Figure]:
    """From the signed POST to the commit of what the community makes of the payment."""
    reference = f"{COMMITS_ON_THE_WAY} bare commits"
    figures = [Figure("", f"POST to payment.paid handled, {at}", "ms", reference) for at, _ in PERCENTILES]
    effects = Effects()
    async with _joined(shop, effects):
        for _ in range(settings.runs):
            events = await _bought(shop, max(2, settings.samples // 4), "invoice.paid")
            ours = [await _one_effect(web, effects, event) for event in events]
            theirs = [
                sum([await _timed(lambda event=event: _commit(shop, event)) for _ in range(COMMITS_ON_THE_WAY)])
                for event in events
            ]
            for figure, (_, share) in zip(figures, PERCENTILES, strict=True):
                figure.add(percentile(ours, share), percentile(theirs, share))
    return figures


async def _reconciliation(shop: Shop, _web: httpx.AsyncClient, settings: Settings) -> list[Figure]:
    """Every subscriber compared with Stripe; the twin answers from the same machine."""
    count = settings.subscriptions
    figure = Figure("", f"reconcile {count:,} subscriptions", "s", "one subscription fetched for each, one by one")
    [event] = await _bought(shop, 1, "invoice.paid")
    user_id, parts = UUID(event["user_id"]), shop.svc.runtime.parts
    # The first is told nothing: reconciling it makes the books that the copies start with.
    await reconcile_some(parts.worker_database, parts.gateway, heal=True, limit=1, grace=parts.grace)
    await copy_subscriber(shop, shop.twin_database, user_id, count - 1)
    shop.svc.clock.advance(60)
    began = time.perf_counter()
    compared, drifts = await reconcile_some(
        parts.worker_database, parts.gateway, heal=True, limit=count, grace=parts.grace
    )
    took = time.perf_counter() - began
    if compared != count or drifts:
        raise RuntimeError(f"{compared} of {count} compared, {len(drifts)} differ: {drifts[:2]}")
    [row] = await shop.svc.rows(
        "SELECT stripe_subscription_id AS id FROM subscriptions WHERE user_id = %(user)s", user=user_id
    )
    began = time.perf_counter()
    for _ in range(count):
        await parts.gateway.get_subscription(row["id"])
    figure.add(took, time.perf_counter() - began)
    return [figure]


@asynccontextmanager
async def _joined(shop: Shop, effects: Effects) -> AsyncIterator[None]:
    """Billing's worker and relay at work, and the community's consumers, in one process as in `./atelier up`."""
    listening = _noting(community, effects)
    async with running_service(listening) as other:
        databases = {"billing": shop.svc.runtime.database, "community": other.runtime.database}
        transport = LocalTransport(databases, (billing, listening))
        sides = [(shop.svc.runtime, billing), (other.runtime, listening)]
        buses = [Bus(replace(runtime, transport=transport), service.subscribes) for runtime, service in sides]
        for bus in buses:
            await bus.start(relay=True, workers=True)
        worker = asyncio.create_task(work_for_ever(shop.svc.runtime.parts))
        yield
        worker.cancel()
        for bus in buses:
            await bus.stop()


def _noting(service: Service, effects: Effects) -> Service:
    def noted(entry: Any) -> Any:
        return replace(entry, handler=effects.record) if entry.handler is record_payment else entry

    return replace(service, subscribes=tuple(noted(entry) for entry in service.subscribes))


async def _one_effect(web: httpx.AsyncClient, effects: Effects, event: Event) -> float:
    began = time.perf_counter()
    await _post(web, event)
    return 1000 * (await effects.of(UUID(event["user_id"])) - began)


async def _bought(shop: Shop, count: int, event_type: str) -> list[Event]:
    """Purchases that were paid at Stripe and not told; the event of this type of each, with the buyer's id."""
    events = []
    for _ in range(count):
        user_id = await shop.register()
        checkout = await shop.checkout(user_id)
        await shop.pay(checkout["session_id"])
        query = {"type": event_type, "limit": 1}
        answer = await shop.twin.get("/twin/stripe/v1/events", params=query, headers=KEY)
        events.append({**answer.json()["data"][0], "user_id": str(user_id)})
    return events


async def _post(web: httpx.AsyncClient, event: Event) -> None:
    body = json.dumps(event).encode()
    answer = await web.post(WEBHOOKS, content=body, headers=signed(body))
    answer.raise_for_status()


async def _commit(shop: Shop, event: Event) -> None:
    async with shop.svc.runtime.database.pool.connection() as connection:
        await connection.execute(COMMIT, [json.dumps(event)])


async def _timed(act: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await act()
    return 1000 * (time.perf_counter() - began)
