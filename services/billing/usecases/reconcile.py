"""Comparing our books with Stripe's, customer by customer, and putting ours right where webhooks were lost.

The comparison is the synchronisation itself: it runs in a transaction, what it changed is the drift, and a dry run
rolls it back. So reconciling can never know other rules than the webhooks do.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from services.billing import repository
from services.billing.errors import StripeRefused
from services.billing.models import Customer
from services.billing.stripe_gateway import StripeGateway
from services.billing.stripe_listing import CustomerListing
from services.billing.usecases.disputes import sync_dispute
from services.billing.usecases.entitlements import publish_entitlement
from services.billing.usecases.refunds import sync_refunds_of
from services.billing.usecases.synchronise import (
    Books,
    ParentMissing,
    sync_invoice,
    sync_session,
    sync_subscription,
)
from shared.concurrency import run_at_once
from shared.contracts.billing import BillingDriftFound
from shared.database import Database, WriteSession
from shared.events.outbox import publish
from shared.logging import get_logger

log = get_logger(__name__)

# A customer costs five waits for Stripe's lists; four at once stay far below the 100 requests a second that it allows.
COMPARED_AT_ONCE = 4

# Our rows of one customer: kind and Stripe's id, and what is true of it.
Picture = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. `ours` is None for what we had not; `stripe` is what a synchronisation makes of it."""

    kind: str
    object_id: str
    ours: str | None
    stripe: str | None
    healed: bool


async def reconcile_customer(
    database: Database, gateway: StripeGateway, customer: Customer, *, heal: bool, grace: timedelta
) -> list[Drift]:
    """Every difference of one customer; healed ones are told as billing.drift_found.

    Raises PaymentProviderUnavailable.
    """
    now = database.clock.now()
    async with database.write() as session:
        await repository.lock_name(session, customer.stripe_customer_id or "")
        async with session.begin_nested() as comparison:
            found = await _compare(Books(session, gateway, now, grace), customer, healed=heal)
            if not heal:
                await comparison.rollback()
        if heal:
            await _tell(session, customer, found, now)
    return found


async def _compare(books: Books, customer: Customer, *, healed: bool) -> list[Drift]:
    before = await _picture(books.session, customer)
    failed = await _follow_stripe(books, customer.stripe_customer_id or "")
    await publish_entitlement(books.session, customer.user_id, now=books.now, grace=books.grace)
    after = await _picture(books.session, customer)
    return _differences(before, after, healed=healed) + failed


async def reconcile_some(
    database: Database, gateway: StripeGateway, *, heal: bool, limit: int, grace: timedelta
) -> tuple[int, list[Drift]]:
    """Compare the `limit` customers who have waited longest. Returns how many there were, and their differences."""
    async with database.read() as session:
        customers = await repository.list_customers_to_reconcile(session, before=database.clock.now(), limit=limit)
    return len(customers), await reconcile_all(database, gateway, customers, heal=heal, grace=grace)


async def reconcile_all(
    database: Database,
    gateway: StripeGateway,
    customers: Sequence[Customer],
    *,
    heal: bool,
    grace: timedelta,
    advance: Callable[[], None] = lambda: None,
) -> list[Drift]:
    """Compare these customers, several at once; `advance` is called after each.

    Raises PaymentProviderUnavailable; who was compared before it stays so.
    """
    found: list[Drift] = []

    async def compare(customer: Customer) -> None:
        found.extend(await reconcile_customer(database, gateway, customer, heal=heal, grace=grace))
        advance()

    await run_at_once((partial(compare, customer) for customer in customers), COMPARED_AT_ONCE)
    return found


async def _follow_stripe(books: Books, stripe_id: str) -> list[Drift]:
    """Synchronise all that Stripe has of the customer, parents first. Returns what could not be."""
    failed = []
    listing = await CustomerListing.of(books.gateway, stripe_id)
    books = replace(books, gateway=listing)
    for session_id in listing.sessions:
        failed += await _try(books, "checkout", sync_session, session_id)
    for invoice_id in listing.invoices:
        failed += await _try(books, "invoice", sync_invoice, invoice_id)
    for subscription_id in listing.subscriptions:
        failed += await _try(books, "subscription", sync_subscription, subscription_id)
    for intent_id in await repository.list_intents(books.session, stripe_id):
        failed += await _try(books, "refund", sync_refunds_of, intent_id)
        for dispute_id in await books.gateway.list_dispute_ids(intent_id):
            failed += await _try(books, "dispute", sync_dispute, dispute_id)
    return failed


async def _try(books: Books, kind: str, sync: Callable[[Books, str], Awaitable[object]], stripe_id: str) -> list[Drift]:
    try:
        async with books.session.begin_nested():
            await sync(books, stripe_id)
    except (ParentMissing, StripeRefused, SQLAlchemyError) as error:
        return [Drift(kind, stripe_id, None, f"{type(error).__name__}: {error}"[:200], healed=False)]
    return []


async def _picture(session: WriteSession, customer: Customer) -> Picture:
    await session.flush()
    rows: list[tuple[str, str, Any]] = await repository.list_facts_of(session, customer.user_id)
    return {(kind, stripe_id): str(fact) for kind, stripe_id, fact in rows}


def _differences(before: Picture, after: Picture, *, healed: bool) -> list[Drift]:
    return [
        Drift(kind, stripe_id, before.get((kind, stripe_id)), fact, healed)
        for (kind, stripe_id), fact in sorted(after.items())
        if before.get((kind, stripe_id)) != fact
    ]


async def _tell(session: WriteSession, customer: Customer, found: list[Drift], now: datetime) -> None:
    for drift in found:
        log.warning("billing_drift", kind=drift.kind, object=drift.object_id, ours=drift.ours, stripe=drift.stripe)
        event = BillingDriftFound(
            kind=drift.kind, object_id=drift.object_id, ours=drift.ours, stripe=drift.stripe, healed=drift.healed
        )
        # An object may drift again: the moment tells one finding from the next.
        await publish(session, event, sequence=int(now.timestamp() * 1000))
    await repository.note_reconciled(session, customer.user_id, now)
