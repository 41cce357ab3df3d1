"""Stories of customers at Stripe, told to billing in any order: the in-order telling is what all others must equal.

Every customer of an example lives the same story at the same time. What Stripe tells of each is caught by the test,
which posts it as Stripe would, signed, over HTTP: promptly and in order to the first, by a generated schedule to the
others, and not at all to the last, who is left to the reconciler.
"""

import asyncio
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from services.billing.tasks import end_grace, end_lost_subscriptions
from services.billing.tasks_subscription import renew_limits
from services.billing.usecases.webhooks import HANDLED
from tests.support.billing import WEBHOOK_SECRET, Shop

WEBHOOKS = "/v1/webhooks/stripe"
WORKERS = 2
KEY = {"Authorization": "Bearer sk_test_twin"}


@dataclass
class Customer:
    """A user, what Stripe knows them by, and the events about them that were not told yet."""

    user: UUID
    session: str = ""
    stripe_id: str = ""
    untold: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    intents: set[str] = field(default_factory=set)

    def is_about(self, event: dict[str, Any]) -> bool:
        thing = event["data"]["object"]
        return thing.get("customer") == self.stripe_id or thing.get("payment_intent") in self.intents


def signed(body: bytes) -> dict[str, str]:
    stamp = int(time.time())
    signature = hmac.new(WEBHOOK_SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={signature}", "Content-Type": "application/json"}


class Stage:
    """A shop, its customers, and Stripe's events as they come."""

    def __init__(self, shop: Shop, web: httpx.AsyncClient) -> None:
        self.shop, self._web = shop, web
        self._seen = ""

    async def open(self, count: int, plan_id: str, *, trial_days: int = 0) -> list[Customer]:
        """Empty books, and customers with an open checkout each."""
        await self.shop.empty()
        self.shop.svc.runtime.parts.settings.trial_days = trial_days
        await self.shop.control("delivery", drop=True)
        users = [await self.shop.register() for _ in range(count)]
        # The first of all makes the price at Stripe; who comes meanwhile would be told to try again later.
        first = await self._customer(users[0], plan_id)
        customers = [first, *await asyncio.gather(*(self._customer(user, plan_id) for user in users[1:]))]
        self._seen = (await self._get("events", limit=1))["data"][0]["id"]
        return customers

    async def _customer(self, user: UUID, plan_id: str) -> Customer:
        customer = Customer(user)
        customer.session = (await self.shop.checkout(customer.user, plan_id))["session_id"]
        customer.stripe_id = (await self._get(f"checkout/sessions/{customer.session}"))["customer"]
        return customer

    async def _get(self, path: str, **params: Any) -> Any:
        return (await self.shop.twin.get(f"/twin/stripe/v1/{path}", params=params, headers=KEY)).json()

    async def act_all(self, customers: list[Customer], move: str) -> None:
        """The same move of everybody, at the same moment of Stripe's clock."""
        await asyncio.gather(*(self.act(customer, move) for customer in customers))

    async def act(self, customer: Customer, move: str) -> None:
        """What is impossible at this point of the story is refused by Stripe, alike for everybody."""
        name, _, value = move.partition(" ")
        await getattr(self, f"_{name}")(customer, value)

    async def _pay(self, customer: Customer, card: str) -> None:
        await self._control(f"checkout/{customer.session}/pay", {"card": card})

    # A trial was offered when the checkout was opened; a card is named for it all the same.
    _try = _pay

    async def _card(self, customer: Customer, card: str) -> None:
        await self._control(f"customers/{customer.stripe_id}/card", {"card": card})

    async def _control(self, path: str, body: Any) -> None:
        await self.shop.twin.post(f"/twin/stripe/_control/{path}", json=body)

    async def _subscription(self, customer: Customer) -> dict[str, Any] | None:
        found = (await self._get("subscriptions", customer=customer.stripe_id))["data"]
        return found[0] if found else None

    async def _cancel(self, customer: Customer, when: str) -> None:
        row = await self._subscription(customer)
        if row is None:
            return
        if when == "now":
            await self.shop.twin.delete(f"/twin/stripe/v1/subscriptions/{row['id']}", headers=KEY)
        else:
            await self._change(row, {"cancel_at_period_end": str(when == "later").lower()})

    async def _upgrade(self, customer: Customer, lookup_key: str) -> None:
        row = await self._subscription(customer)
        prices = (await self._get("prices", **{"lookup_keys[]": lookup_key}))["data"]
        if row is not None and prices:
            item = {"items[0][id]": row["items"]["data"][0]["id"], "items[0][price]": prices[0]["id"]}
            await self._change(row, {**item, "proration_behavior": "always_invoice"})

    async def _switch(self, customer: Customer, lookup_key: str) -> None:
        """In the portal: dearer at once, cheaper when the period ends."""
        row = await self._subscription(customer)
        prices = (await self._get("prices", **{"lookup_keys[]": lookup_key}))["data"]
        data = {"customer": customer.stripe_id}
        opened = await self.shop.twin.post("/twin/stripe/v1/billing_portal/sessions", data=data, headers=KEY)
        if row is not None and prices:
            await self.shop.twin.post(opened.json()["url"], data={"subscription": row["id"], "price": prices[0]["id"]})

    async def _pause(self, customer: Customer, _value: str) -> None:
        row = await self._subscription(customer)
        if row is not None:
            until = str(row["items"]["data"][0]["current_period_end"])
            await self._change(row, {"pause_collection[behavior]": "void", "metadata[paused_from]": until})

    async def _unpause(self, customer: Customer, _value: str) -> None:
        row = await self._subscription(customer)
        if row is not None:
            again = {"pause_collection": "", "metadata[paused_from]": "", "proration_behavior": "none"}
            await self._change(row, {**again, "billing_cycle_anchor[type]": "now"})

    async def _change(self, row: dict[str, Any], data: dict[str, str]) -> None:
        await self.shop.twin.post(f"/twin/stripe/v1/subscriptions/{row['id']}", data=data, headers=KEY)

    async def _newest_intent(self, customer: Customer) -> str:
        found = (await self._get("payment_intents", customer=customer.stripe_id, limit=1))["data"]
        return found[0]["id"] if found else "pi_none"

    async def _refund(self, customer: Customer, amount: str) -> None:
        data = {"payment_intent": await self._newest_intent(customer), **({"amount": amount} if amount else {})}
        await self.shop.twin.post("/twin/stripe/v1/refunds", data=data, headers=KEY)

    async def _dispute(self, customer: Customer, action: str) -> None:
        await self._control(f"payments/{await self._newest_intent(customer)}/{action}", {})

    async def wait(self, days: float) -> None:
        await self._control("clock/advance", {"seconds": int(days * 86400)})

    async def catch(self, customers: list[Customer]) -> None:
        """Sort what Stripe has to tell by the customer it is about."""
        while True:
            page = (await self._get("events", limit=100, ending_before=self._seen))["data"]
            if not page:
                return
            self._seen = page[0]["id"]
            for event in reversed(page):
                self._sort(event, customers)

    def _sort(self, event: dict[str, Any], customers: list[Customer]) -> None:
        thing = event["data"]["object"]
        for customer in customers:
            if customer.is_about(event):
                if thing["object"] == "payment_intent":
                    customer.intents.add(thing["id"])
                elif intent := thing.get("payment_intent"):
                    customer.intents.add(intent)
                if event["type"] in HANDLED:
                    customer.untold.append(event)

    async def tell(self, events: list[dict[str, Any]]) -> None:
        """Deliver as Stripe does, and work off what arrived."""
        await self.tell_all([events])

    async def tell_all(self, batches: list[list[dict[str, Any]]]) -> None:
        """Several customers' events at once, each batch in its own order; two workers go through what arrived."""
        await asyncio.gather(*(self._deliver(events) for events in batches))
        workers = min(WORKERS, len(batches))
        await asyncio.gather(*(self.shop.svc.runtime.parts.work_off_webhooks() for _ in range(workers)))

    async def _deliver(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            body = json.dumps(event).encode()
            answer = await self._web.post(WEBHOOKS, content=body, headers=signed(body))
            assert answer.status_code == 200, answer.text

    async def close(self) -> None:
        """What came before its parent is tried again, as it would be later, and the timers have their say."""
        for _ in range(3):
            await self.shop.svc.rows(
                "UPDATE webhook_events SET next_attempt_at = now() WHERE status = 'RETRY' RETURNING 1"
            )
            await self.shop.svc.runtime.parts.work_off_webhooks()
        for task in (end_grace, end_lost_subscriptions, renew_limits):
            await task(self.shop.svc.runtime)
