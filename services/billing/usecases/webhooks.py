"""Stripe's webhooks: stored once and answered, then worked off apart, each in a transaction of its own."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from prometheus_client import Counter
from pydantic import ValidationError
from sqlalchemy import text

from services.billing import repository
from services.billing.errors import BadWebhook, ObjectMissing, PaymentProviderResting
from services.billing.models import WebhookEvent
from services.billing.stripe_events import EventSnapshot
from services.billing.stripe_gateway import BadSignature, StripeGateway, check_signature
from services.billing.stripe_objects import id_of
from services.billing.usecases.dashboard import note_fraud_warning, note_unfinalised, sync_customer, sync_price
from services.billing.usecases.disputes import sync_dispute
from services.billing.usecases.refunds import sync_refund, sync_refunds_of
from services.billing.usecases.synchronise import (
    Books,
    sync_intent,
    sync_invoice,
    sync_schedule,
    sync_session,
    sync_subscription,
)
from services.billing.usecases.trial_ends import warn_of_trial_end
from shared.breaker import REST_SECONDS
from shared.concurrency import run_at_once
from shared.database import Database, WriteSession
from shared.errors import Conflict
from shared.ids import new_id
from shared.logging import get_logger
from shared.runtime import Runtime

MAX_BODY_BYTES = 1024 * 1024
LEASE_SECONDS = 60
# Seconds before each further attempt; after the last one the event is DEAD until an admin replays it.
RETRY_SECONDS = (1, 5, 30, 120, 600, 1800, 3600, 10800)
BATCH = 20
# Of different customers: each waits for Stripe most of its time.
AT_ONCE = 4

# Longer than Stripe keeps an event that could be sent again.
KEPT_DAYS = 60

REFUSED = Counter("billing_webhooks_refused", "Webhooks that were answered 400 and not stored.", ("reason",))

log = get_logger(__name__)

_STORE = text("""
    INSERT INTO webhook_events (id, stripe_event_id, livemode, event_type, object_id, payload, status)
    VALUES (:id, :stripe_event_id, :livemode, :event_type, :object_id, CAST(:payload AS jsonb), :status)
    ON CONFLICT (stripe_event_id, livemode) DO NOTHING RETURNING id
""")
_CLAIM = """
    UPDATE webhook_events SET status = 'PROCESSING', attempts = attempts + 1,
           lease_until = now() + %(lease)s * interval '1 second'
     WHERE id IN (SELECT id FROM webhook_events
                   WHERE (status IN ('RECEIVED', 'RETRY') AND next_attempt_at <= now())
                      OR (status = 'PROCESSING' AND lease_until < now())
                   ORDER BY received_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING id, event_type, payload, attempts
"""
_DONE = text("""
    UPDATE webhook_events SET status = :status, processed_at = now(), lease_until = NULL, last_error = :note
     WHERE id = :id AND status = 'PROCESSING' AND attempts = :attempts
""")
_FAILED = """
    UPDATE webhook_events SET status = %(status)s, lease_until = NULL, last_error = %(error)s,
           next_attempt_at = now() + %(delay)s * interval '1 second'
     WHERE id = %(id)s AND status = 'PROCESSING' AND attempts = %(attempts)s
"""
_PUT_BACK = """
    UPDATE webhook_events SET status = 'RETRY', attempts = attempts - 1, lease_until = NULL,
           next_attempt_at = now() + %(delay)s * interval '1 second'
     WHERE id = %(id)s AND status = 'PROCESSING' AND attempts = %(attempts)s
"""
_FORGET = """
    DELETE FROM webhook_events WHERE status IN ('PROCESSED', 'IGNORED')
       AND received_at < now() - %(days)s * interval '1 day'
"""

Row = dict[str, Any]
Sync = Callable[[Books, str], Awaitable[object]]

# Every event we act upon. The value fetches the object anew; the payload is only a hint where to look.
HANDLED: dict[str, Sync] = {
    "checkout.session.completed": sync_session,
    "checkout.session.expired": sync_session,
    "checkout.session.async_payment_succeeded": sync_session,
    "checkout.session.async_payment_failed": sync_session,
    **{
        f"payment_intent.{event}": sync_intent
        for event in ("processing", "requires_action", "succeeded", "payment_failed", "canceled")
    },
    "invoice.finalized": sync_invoice,
    "invoice.paid": sync_invoice,
    "invoice.payment_failed": sync_invoice,
    "invoice.payment_action_required": sync_invoice,
    "invoice.voided": sync_invoice,
    "invoice.marked_uncollectible": sync_invoice,
    "invoice.overdue": sync_invoice,
    "customer.subscription.created": sync_subscription,
    "customer.subscription.updated": sync_subscription,
    "customer.subscription.deleted": sync_subscription,
    "customer.subscription.paused": sync_subscription,
    "customer.subscription.resumed": sync_subscription,
    "customer.subscription.pending_update_applied": sync_subscription,
    "customer.subscription.pending_update_expired": sync_subscription,
    "customer.subscription.trial_will_end": warn_of_trial_end,
    **{
        f"subscription_schedule.{event}": sync_schedule
        for event in ("created", "updated", "released", "completed", "canceled", "aborted", "expiring")
    },
    "refund.created": sync_refund,
    "refund.updated": sync_refund,
    "refund.failed": sync_refund,
    "charge.refunded": sync_refunds_of,
    "charge.dispute.created": sync_dispute,
    "charge.dispute.updated": sync_dispute,
    "charge.dispute.closed": sync_dispute,
    "charge.dispute.funds_withdrawn": sync_dispute,
    "charge.dispute.funds_reinstated": sync_dispute,
    "invoice.finalization_failed": note_unfinalised,
    "radar.early_fraud_warning.created": note_fraud_warning,
    "customer.deleted": sync_customer,
    "price.updated": sync_price,
    "price.deleted": sync_price,
}

# What we could be told and do not subscribe to, and why. Each event costs Stripe's patience and ours.
UNUSED = {
    "invoice.created": "a draft asks nobody for money, and what it becomes is told",
    "invoice.upcoming": "no mail is sent before a renewal, only for what happened",
    "invoice_payment.paid": "invoice.paid tells the same fact, and the two would race",
    "charge.succeeded": "payment_intent.succeeded tells the same fact, and the two would race",
    "invoice.payment_succeeded": "invoice.paid tells the same fact, and the two would race",
    "customer.created": "customers are made by us alone",
    "customer.updated": "nothing of it is kept: the address is the accounts service's",
    "customer.tax_id.created": "tax numbers stay at Stripe, which prints them on its invoices",
    "customer.tax_id.updated": "tax numbers stay at Stripe, which prints them on its invoices",
    "customer.tax_id.deleted": "tax numbers stay at Stripe, which prints them on its invoices",
    "payment_method.attached": "cards stay at Stripe, whose portal shows them, and which retries by itself",
    "payment_method.automatically_updated": "cards stay at Stripe, whose portal shows them",
    "payment_method.detached": "cards stay at Stripe; whether there is one is asked when it matters",
    "price.created": "a price is looked up by its key when it is first sold",
    "product.created": "names and limits are the catalogue's, never Stripe's",
    "product.updated": "names and limits are the catalogue's, never Stripe's",
    "product.deleted": "Stripe deletes no product that has prices",
    "coupon.created": "coupons are looked up when they are used",
    "coupon.updated": "coupons are looked up when they are used",
    "coupon.deleted": "coupons are looked up when they are used",
    "promotion_code.created": "promotion codes are looked up when they are used",
    "promotion_code.updated": "promotion codes are looked up when they are used",
    "entitlements.active_entitlement_summary.updated": "what users may do is decided here, not at Stripe",
    "account.updated": "affiliates are not paid through Connect",
    "transfer.created": "affiliates are not paid through Connect",
    "payout.paid": "affiliates are not paid through Connect",
    "payout.failed": "affiliates are not paid through Connect",
}


class LeaseLost(Exception):
    """The event was taken over while we were slow; our transaction must not land."""


def read_webhook(
    body: bytes, signature: str, secrets: tuple[str, ...], *, now: float, livemode: bool
) -> tuple[EventSnapshot, dict[str, Any]]:
    """A genuine event and its payload. Raises BadWebhook for everything else, whatever the bytes are."""
    try:
        check_signature(body, signature, secrets, now)
        payload = orjson.loads(body)
        event = EventSnapshot.model_validate(payload)
    except BadSignature as error:
        REFUSED.labels("signature").inc()
        raise BadWebhook from error
    except (orjson.JSONDecodeError, ValidationError) as error:
        REFUSED.labels("body").inc()
        raise BadWebhook from error
    if event.livemode != livemode:
        REFUSED.labels("mode").inc()
        raise BadWebhook("The event is of another mode.")
    return event, payload


def _first_status(event_type: str) -> str:
    return "RECEIVED" if event_type in HANDLED else "IGNORED"


async def store_webhook(session: WriteSession, event: EventSnapshot, payload: dict[str, Any]) -> bool:
    """Keep the event; the insert by Stripe's id decides whether it is new. Returns whether it was."""
    values = {
        "id": new_id(),
        "stripe_event_id": event.id,
        "livemode": event.livemode,
        "event_type": event.type,
        "object_id": event.data.object.id,
        "payload": orjson.dumps(payload).decode(),
        "status": _first_status(event.type),
    }
    return await session.scalar(_STORE, values) is not None


async def work_off(database: Database, gateway: StripeGateway, *, grace: timedelta) -> int:
    """Process one batch of due events, customers side by side; returns how many were taken.

    One that fails holds nobody else up.
    """
    async with database.pool.connection() as connection:
        values = {"lease": LEASE_SECONDS, "limit": BATCH}
        rows = await (await connection.execute(_CLAIM, values)).fetchall()
    strands: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        strands[_strand_of(row)].append(row)
    await run_at_once((partial(_work_strand, database, gateway, each, grace) for each in strands.values()), AT_ONCE)
    return len(rows)


def _strand_of(row: Row) -> str:
    """Events of one customer would wait for each other's lock, and hold a connection meanwhile."""
    target = row["payload"]["data"]["object"]
    return str(target.get("customer") or target.get("id"))


async def _work_strand(database: Database, gateway: StripeGateway, strand: list[Row], grace: timedelta) -> None:
    for row in strand:
        try:
            await _process(database, gateway, row, grace)
        except LeaseLost:
            log.warning("webhook_lease_lost", webhook=str(row["id"]))
        except PaymentProviderResting:
            await _put_back(database, row)
        except Exception as error:
            log.exception("webhook_failed", webhook=str(row["id"]), attempt=row["attempts"])
            await _retry_later(database, row, error)


async def _process(database: Database, gateway: StripeGateway, row: Row, grace: timedelta) -> None:
    """Lock, then fetch, then record, then mark: one transaction. Fetching first would let an older picture win."""
    event = EventSnapshot.model_validate(row["payload"])
    target, status, note = event.data.object, "PROCESSED", None
    async with database.write() as session:
        lock = id_of(target.customer) or id_of(target.payment_intent) or target.id or event.id
        await repository.lock_name(session, lock)
        books = Books(session, gateway, database.clock.now(), grace)
        try:
            # The savepoint keeps a refusal from spoiling the transaction that has to record it.
            async with session.begin_nested():
                await HANDLED[event.type](books, _target_of(event))
        except ObjectMissing:
            status, note = "IGNORED", "gone at Stripe"
        await _mark_done(session, {"id": row["id"], "attempts": row["attempts"], "status": status, "note": note})


async def _mark_done(session: WriteSession, values: dict[str, Any]) -> None:
    """Raises LeaseLost when the event is no longer ours; the transaction then takes everything back."""
    marked = await session.execute(_DONE, values)
    if marked.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost


def _target_of(event: EventSnapshot) -> str:
    """The id to fetch: of the object itself, or of the payment whose refunds changed."""
    if event.type == "charge.refunded":
        return id_of(event.data.object.payment_intent) or ""
    return event.data.object.id or ""


async def _put_back(database: Database, row: Row) -> None:
    """Not an attempt: Stripe was not asked. It comes with the others when Stripe is tried again."""
    async with database.pool.connection() as connection:
        await connection.execute(_PUT_BACK, {"id": row["id"], "attempts": row["attempts"], "delay": REST_SECONDS})


async def _retry_later(database: Database, row: Row, error: Exception) -> None:
    dead = row["attempts"] > len(RETRY_SECONDS)
    delay = 0 if dead else RETRY_SECONDS[row["attempts"] - 1]
    values = {"id": row["id"], "attempts": row["attempts"], "status": "DEAD" if dead else "RETRY", "delay": delay}
    async with database.pool.connection() as connection:
        await connection.execute(_FAILED, {**values, "error": f"{type(error).__name__}: {error}"[:1000]})


async def forget_webhooks(runtime: Runtime) -> None:
    """Raw events hold what people typed at Stripe; what was made of them is in our own tables and stays."""
    async with runtime.database.pool.connection() as connection:
        await connection.execute(_FORGET, {"days": KEPT_DAYS})


async def replay_webhook(session: WriteSession, event_id: UUID) -> WebhookEvent:
    """Put an event back in line, with all its attempts ahead of it. Raises WebhookEventNotFound, Conflict."""
    event = await repository.get_webhook_event(session, event_id)
    if event.status == "PROCESSING":
        raise Conflict("The event is being processed right now.")
    event.status, event.attempts, event.last_error = _first_status(event.event_type), 0, None
    await session.flush()
    await session.execute(text("UPDATE webhook_events SET next_attempt_at = now() WHERE id = :id"), {"id": event_id})
    return event
