"""Changing plans: offered at a price, then made at exactly that price.

To a larger plan the change happens now, and what is left of the period is paid for at once. To a smaller one, or from a
year back to months, it happens when the paid period ends, so that no money flows back and none can be gained by going
up and down. In a trial nothing was paid yet, so every change happens at once and costs nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from services.billing import repository
from services.billing import repository_changes as changes
from services.billing.catalogue import PLANS
from services.billing.errors import (
    AccountDisabled,
    AlreadyOnPlan,
    ChangeInProgress,
    NoSubscription,
    PaymentDeclined,
    PlanChangeRefused,
    StripeDeclined,
    StripeRefused,
    SubscriptionEnding,
    SubscriptionNotActive,
    UnknownPlan,
)
from services.billing.models import PlanChange, Subscription
from services.billing.stripe_gateway import StripeGateway
from services.billing.stripe_objects import PreviewLine
from services.billing.usecases.checkout import ensure_price
from services.billing.usecases.synchronise import Books, sync_invoice, sync_subscription
from shared.database import Database, ReadSession, WriteSession
from shared.errors import Problem
from shared.idempotency import IdempotencyKeyReused
from shared.ids import new_id
from shared.logging import get_logger

Kind = Literal["now", "period_end", "in_trial", "stay"]

# How long the price of a preview is kept for the change that follows it.
OFFER_LASTS = timedelta(minutes=15)
CHANGEABLE = frozenset({"active", "trialing"})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChangeOrder:
    """The plan and interval somebody wants. `request_key` is the caller's idempotency key, if any."""

    user_id: UUID
    plan_id: str
    interval: str
    request_key: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A change, when it takes effect, and the lines of the invoice it would be charged with."""

    change: PlanChange
    currency: str
    effective_at: datetime
    lines: list[PreviewLine]


@dataclass(frozen=True, slots=True)
class Changing:
    """What a change works with: our books, Stripe, which of its modes, and the grace of past-due plans."""

    database: Database
    gateway: StripeGateway
    livemode: bool
    grace: timedelta


async def preview_change(changing: Changing, order: ChangeOrder, *, currency: str) -> Offer:
    """What the change would cost right now; a change within OFFER_LASTS costs exactly that.

    Raises UnknownPlan, NoSubscription, SubscriptionNotActive, SubscriptionEnding, AlreadyOnPlan, PlanChangeRefused.
    """
    check_plan(order)
    now = changing.database.clock.now().replace(microsecond=0)
    async with changing.database.read() as session:
        row = await repository.find_live_subscription(session, order.user_id)
        kind = await kind_of_change(session, row, order)
    assert row is not None
    change = _new_change(row, order, kind, now, status="offered")
    lines: list[PreviewLine] = []
    if kind == "now":
        change.amount_due, currency, lines = await _ask_for_price(changing, row, change)
    async with changing.database.write() as session:
        session.add(change)
    return Offer(change, currency, row.period_end if kind == "period_end" else now, lines)


async def _ask_for_price(
    changing: Changing, row: Subscription, change: PlanChange
) -> tuple[int, str, list[PreviewLine]]:
    price_id = await ensure_price(
        changing.database, changing.gateway, change.plan_id, change.interval, livemode=changing.livemode
    )
    try:
        preview = await changing.gateway.preview_price_change(
            row.stripe_subscription_id, price_id, at=change.proration_date
        )
    except StripeRefused as refusal:
        raise PlanChangeRefused(str(refusal)) from refusal
    return preview.amount_due, preview.currency, preview.lines.data


def check_plan(order: ChangeOrder) -> None:
    plan = PLANS.get(order.plan_id)
    if plan is None or plan.is_free:
        raise UnknownPlan(f"{order.plan_id} is not for sale. To go back to the free plan, cancel the subscription.")


async def kind_of_change(session: ReadSession, row: Subscription | None, order: ChangeOrder) -> Kind:
    """How the change would be made. Raises what speaks against it."""
    if row is None:
        raise NoSubscription
    customer = await repository.find_customer(session, order.user_id)
    if customer is not None and customer.disabled_at is not None:
        raise AccountDisabled
    if row.status not in CHANGEABLE or row.paused_from is not None:
        status = "paused" if row.paused_from else row.status
        raise SubscriptionNotActive(f"The subscription is {status}.", subscription_status=status)
    if await repository.is_disputed(session, row.stripe_subscription_id):
        raise SubscriptionNotActive("A payment of the subscription is disputed.", subscription_status="frozen")
    if row.cancel_at is not None:
        raise SubscriptionEnding("The subscription is about to end; resume it first.")
    if row.plan_id == order.plan_id and row.interval == order.interval:
        if row.next_plan_id is None:
            raise AlreadyOnPlan
        return "stay"
    if (row.next_plan_id, row.next_interval) == (order.plan_id, order.interval):
        raise AlreadyOnPlan("The subscription changes to this plan when its period ends.")
    if row.status == "trialing":
        return "in_trial"
    return "now" if is_upgrade(row, order) else "period_end"


def is_upgrade(row: Subscription, order: ChangeOrder) -> bool:
    """A larger plan, or the same for longer. Shorter is never up: what is left of a year would have to be paid back."""
    if row.interval == "year" and order.interval == "month":
        return False
    return PLANS[order.plan_id].month >= PLANS[row.plan_id].month


def _new_change(row: Subscription, order: ChangeOrder, kind: Kind, now: datetime, *, status: str) -> PlanChange:
    return PlanChange(
        id=new_id(),
        user_id=row.user_id,
        subscription_id=row.id,
        subscription_version=row.version,
        plan_id=order.plan_id,
        interval=order.interval,
        kind=kind,
        status=status,
        proration_date=now,
        amount_due=0,
        created_at=now,
        updated_at=now,
    )


async def change_plan(changing: Changing, order: ChangeOrder) -> bool:
    """Make the change; returns whether it is the answer to an earlier request with the same key.

    Raises what `preview_change` raises, and ChangeInProgress, PaymentDeclined, IdempotencyKeyReused.
    """
    check_plan(order)
    async with changing.database.write() as session:
        change = await begin_change(session, order, now=changing.database.clock.now())
    if change.status == "done":
        return True
    if change.status == "failed":
        raise _refused_before(change)
    await carry_out_change(changing, change)
    return False


async def begin_change(session: WriteSession, order: ChangeOrder, *, now: datetime) -> PlanChange:
    """The change to go on with. The subscription is locked: whoever asks for the same at the same time shares it."""
    row = await changes.lock_live_subscription(session, order.user_id)
    if order.request_key:
        known = await changes.find_requested_change(session, order.user_id, order.request_key)
        if known is not None:
            return _same(known, order, IdempotencyKeyReused())
    under_way = await changes.find_change_under_way(session, row.id) if row else None
    if under_way is not None:
        return _same(under_way, order, ChangeInProgress())
    kind = await kind_of_change(session, row, order)
    assert row is not None
    change = await changes.find_offer(session, row, order.plan_id, order.interval, since=now - OFFER_LASTS)
    if change is None:
        change = _new_change(row, order, kind, now.replace(microsecond=0), status="begun")
        session.add(change)
    change.status, change.kind, change.request_key, change.updated_at = "begun", kind, order.request_key, now
    return change


def _same(change: PlanChange, order: ChangeOrder, otherwise: Exception) -> PlanChange:
    if (change.plan_id, change.interval) != (order.plan_id, order.interval):
        raise otherwise
    return change


async def carry_out_change(changing: Changing, change: PlanChange) -> None:
    """Tell Stripe and follow what it says. The change's id names the calls, so doing it again is safe."""
    async with changing.database.read() as session:
        row = await changes.get_subscription(session, change.subscription_id)
    try:
        invoice_id = await _tell_stripe(changing, row, change)
    except StripeRefused as refusal:
        problem = _problem_of(refusal)
        await _record_failure(changing, change, problem)
        raise problem from refusal
    await finish_change(changing, row, change, invoice_id)


def _problem_of(refusal: StripeRefused) -> PaymentDeclined | PlanChangeRefused:
    if not isinstance(refusal, StripeDeclined):
        return PlanChangeRefused(str(refusal))
    needs_action = refusal.reason == "authentication_required"
    return PaymentDeclined(str(refusal), code="payment_action_required" if needs_action else None)


def _refused_before(change: PlanChange) -> PaymentDeclined | PlanChangeRefused:
    """The answer that the same request got before."""
    code, _, detail = (change.error or "").partition(": ")
    if code == PlanChangeRefused.code:
        return PlanChangeRefused(detail)
    return PaymentDeclined(detail, code=code)


async def _tell_stripe(changing: Changing, row: Subscription, change: PlanChange) -> str | None:
    """Returns the invoice that a change for money was charged with."""
    gateway, key = changing.gateway, f"change:{change.id}"
    if row.stripe_schedule_id:
        await gateway.release_schedule(row.stripe_schedule_id, key=f"{key}:release")
    if change.kind == "stay":
        return None
    price_id = await ensure_price(
        changing.database, gateway, change.plan_id, change.interval, livemode=changing.livemode
    )
    if change.kind == "period_end":
        await gateway.schedule_price(row.stripe_subscription_id, price_id, change.interval, key=key)
        return None
    at = change.proration_date if change.kind == "now" else None
    return await gateway.change_price(row.stripe_subscription_id, price_id, at=at, key=key)


async def _record_failure(changing: Changing, change: PlanChange, problem: Problem) -> None:
    async with changing.database.write() as session:
        stored = await changes.lock_plan_change(session, change.id)
        stored.status, stored.error = "failed", f"{problem.code}: {problem.detail}"
        stored.updated_at = changing.database.clock.now()


async def finish_change(changing: Changing, row: Subscription, change: PlanChange, invoice_id: str | None) -> None:
    """Book what Stripe made of it, so that the answer to the request is already true."""
    now = changing.database.clock.now()
    async with changing.database.write() as session:
        await repository.lock_name(session, row.stripe_customer_id)
        books = Books(session, changing.gateway, now, changing.grace)
        await sync_subscription(books, row.stripe_subscription_id)
        if change.kind == "now" and invoice_id:
            await sync_invoice(books, invoice_id)
        stored = await changes.lock_plan_change(session, change.id)
        stored.status, stored.updated_at = "done", now
