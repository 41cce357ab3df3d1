"""Buying a plan or a pack: reserve, open a session at Stripe, remember it. Only payments grant anything."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from services.billing import repository
from services.billing.catalogue import CURRENCY, CYCLE_OF, PACKS, PLANS, lookup_key, offer_of
from services.billing.errors import (
    AccountDisabled,
    AlreadySubscribed,
    AmountTooSmall,
    ForeignReturnUrl,
    StripeRefused,
    UnknownPack,
    UnknownPlan,
    UnknownPromotionCode,
)
from services.billing.models import Checkout, Payment, Price
from services.billing.stripe_gateway import KEYS_KEPT, StripeGateway
from services.billing.stripe_objects import moment
from services.billing.usecases import timeline
from services.billing.usecases.customers import bind_stripe_customer
from services.billing.usecases.entitlements import get_or_create_customer
from services.billing.usecases.trials import release_trial, reserve_trial
from shared.database import Database, WriteSession
from shared.idempotency import IdempotencyKeyReused
from shared.ids import new_id


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What somebody wants to buy: a plan at an interval, or the pack that `plan_id` names, without interval.

    `request_key` is the caller's idempotency key, if any.
    """

    user_id: UUID
    plan_id: str
    interval: str | None
    promotion_code: str | None
    success_url: str | None
    cancel_url: str | None
    request_key: str | None

    @property
    def fingerprint(self) -> bytes:
        parts = (self.plan_id, self.interval, self.promotion_code, self.success_url, self.cancel_url)
        return hashlib.sha256(repr(parts).encode()).digest()


@dataclass(frozen=True, slots=True)
class Terms:
    """How we sell: what people brought by affiliates save, how long a trial lasts, and whether it needs a card."""

    public_url: str
    livemode: bool
    discount_percent: int = 0
    trial_days: int = 0
    trial_requires_card: bool = True


async def start_checkout(
    database: Database, gateway: StripeGateway, order: CheckoutOrder, terms: Terms
) -> tuple[Checkout, bool]:
    """A checkout with an open session, and whether it is the answer to an earlier request with the same key.

    Raises UnknownPlan, UnknownPack, ForeignReturnUrl, AccountDisabled, AlreadySubscribed, UnknownPromotionCode,
    AmountTooSmall, StripeRefused, IdempotencyKeyReused.
    """
    check_order(order, terms.public_url)
    async with database.write() as session:
        checkout, superseded = await begin_checkout(session, order, terms, now=database.clock.now())
    replayed = order.request_key is not None and checkout.stripe_session_id is not None
    if superseded and superseded.stripe_session_id:
        await gateway.expire_checkout_session(superseded.stripe_session_id, key=f"expire:{superseded.id}")
    if checkout.stripe_session_id is None:
        checkout = await open_session(database, gateway, checkout, terms)
    return checkout, replayed


def check_order(order: CheckoutOrder, public_url: str) -> None:
    _check_product(order)
    for url in (order.success_url, order.cancel_url):
        check_return_url(url, public_url)


def check_return_url(url: str | None, public_url: str) -> None:
    """Nobody is sent from a page of payment to a site that is not ours."""
    try:
        site, parts = urlsplit(public_url), urlsplit(url or public_url)
    except ValueError as error:
        raise ForeignReturnUrl from error
    # Browsers read a backslash as a slash, and cut out what is not printable.
    is_plain = url is None or (url.isprintable() and not set(url) & set("\\ "))
    if not is_plain or (parts.scheme, parts.netloc) != (site.scheme, site.netloc):
        raise ForeignReturnUrl(f"{url} is not on {public_url}.")


def _check_product(order: CheckoutOrder) -> None:
    if order.interval is None:
        if order.plan_id not in PACKS:
            raise UnknownPack(f"{order.plan_id} is not for sale.")
        return
    plan = PLANS.get(order.plan_id)
    if plan is None or plan.is_free:
        raise UnknownPlan(f"{order.plan_id} is not for sale.")


async def begin_checkout(
    session: WriteSession, order: CheckoutOrder, terms: Terms, *, now: datetime
) -> tuple[Checkout, Checkout | None]:
    """Reserve. Returns the checkout to go on with and the one it replaces.

    The customer's row is locked, so parallel requests take turns: the same order finds the first one's checkout.
    """
    customer = await get_or_create_customer(session, order.user_id, now=now)
    if customer.disabled_at is not None:
        raise AccountDisabled
    if order.request_key:
        known = await repository.find_requested_checkout(session, order.user_id, order.request_key)
        if known is not None:
            if known.fingerprint != order.fingerprint:
                raise IdempotencyKeyReused
            return known, None
    if order.interval and await repository.find_live_subscription(session, order.user_id):
        raise AlreadySubscribed
    current = await repository.find_open_checkout(session, order.user_id)
    if current and current.fingerprint == order.fingerprint and not _is_over(current, now):
        return current, None
    if current:
        current.status, current.updated_at = "superseded", now
        await session.flush()
        await release_trial(session, current.id)
    reserved = await _reserve(session, order, public_url=terms.public_url, now=now)
    if customer.referral_id and not order.promotion_code and not await repository.has_paid(session, order.user_id):
        reserved.discount_percent = terms.discount_percent
    if order.interval and terms.trial_days and await reserve_trial(session, customer, reserved, now=now):
        reserved.trial_days = terms.trial_days
    return reserved, current


def _is_over(checkout: Checkout, now: datetime) -> bool:
    return checkout.expires_at is not None and checkout.expires_at <= now


async def _reserve(session: WriteSession, order: CheckoutOrder, *, public_url: str, now: datetime) -> Checkout:
    offer = offer_of(order.plan_id, order.interval)
    checkout = Checkout(
        id=new_id(),
        user_id=order.user_id,
        plan_id=order.plan_id,
        interval=order.interval,
        status="reserved",
        promotion_code=order.promotion_code,
        success_url=order.success_url or f"{public_url}/billing/success?session_id={{CHECKOUT_SESSION_ID}}",
        cancel_url=order.cancel_url or f"{public_url}/billing/cancel",
        request_key=order.request_key,
        fingerprint=order.fingerprint,
        discount_percent=0,
        created_at=now,
        updated_at=now,
    )
    session.add(checkout)
    await session.flush()
    session.add(
        Payment(
            id=new_id(),
            user_id=order.user_id,
            kind="subscription_create" if order.interval else "one_time",
            checkout_id=checkout.id,
            plan_id=offer.product_id,
            plan_name=offer.name,
            status="PENDING",
            amount=offer.amount,
            currency=CURRENCY,
            billing_cycle=CYCLE_OF[order.interval] if order.interval else None,
            created_at=now,
            updated_at=now,
            version=1,
        )
    )
    return checkout


async def open_session(database: Database, gateway: StripeGateway, checkout: Checkout, terms: Terms) -> Checkout:
    """Ask Stripe for the session of a reserved checkout. Its id is the idempotency key, so asking again is safe."""
    customer_id = await ensure_stripe_customer(database, gateway, checkout.user_id)
    forgotten = database.clock.now() - checkout.created_at >= KEYS_KEPT
    try:
        snapshot = await gateway.find_session(customer_id, str(checkout.id)) if forgotten else None
        if snapshot is None:
            params = await _session_params(database, gateway, checkout, customer_id, terms)
            snapshot = await gateway.create_checkout_session(params, key=f"checkout:{checkout.id}")
    except (StripeRefused, UnknownPromotionCode) as refusal:
        async with database.write() as session:
            await give_up_checkout(session, checkout.id, "failed", now=database.clock.now())
        if isinstance(refusal, StripeRefused) and refusal.reason == "amount_too_small":
            raise AmountTooSmall(str(refusal)) from refusal
        if isinstance(refusal, StripeRefused) and refusal.param.startswith("discounts"):
            raise UnknownPromotionCode(str(refusal)) from refusal
        raise
    async with database.write() as session:
        stored = await repository.get_checkout(session, checkout.id)
        await session.refresh(stored, with_for_update=True)
        stored.stripe_session_id, stored.url = snapshot.id, snapshot.url
        stored.expires_at, stored.updated_at = moment(snapshot.expires_at), database.clock.now()
        if stored.status == "reserved":
            stored.status = "open"
        payment = await repository.get_payment_of_checkout(session, checkout.id)
        payment.stripe_session_id, payment.stripe_customer_id = snapshot.id, customer_id
        await _keep(session, stored, payment, "checkout.opened", database.clock.now())
    return stored


async def _keep(session: WriteSession, checkout: Checkout, payment: Payment, kind: str, now: datetime) -> None:
    details = {"checkout_id": str(checkout.id), "plan_id": checkout.plan_id, "interval": checkout.interval}
    await timeline.keep(
        session,
        user_id=checkout.user_id,
        kind=kind,
        subject=f"checkout/{checkout.id}",
        sequence=1,
        at=now,
        payment_id=payment.id,
        amount=payment.amount,
        currency=payment.currency,
        details=details,
    )


async def ensure_stripe_customer(database: Database, gateway: StripeGateway, user_id: UUID) -> str:
    """The user's Stripe customer, made and bound before anything is bought; never looked up by e-mail."""
    async with database.read() as session:
        customer = await repository.find_customer(session, user_id)
    if customer and customer.stripe_customer_id:
        return customer.stripe_customer_id
    # One who was deleted at Stripe is followed by another, which must not be the answer to the first request.
    earlier = customer.bindings if customer else 0
    key = f"customer:{user_id}" + (f":{earlier}" if earlier else "")
    created = await gateway.create_customer(str(user_id), customer.email if customer else None, key=key)
    async with database.write() as session:
        bound = await bind_stripe_customer(session, user_id, created, now=database.clock.now())
    return bound.stripe_customer_id or created


async def _session_params(
    database: Database, gateway: StripeGateway, checkout: Checkout, customer_id: str, terms: Terms
) -> dict[str, object]:
    metadata = {"checkout_id": str(checkout.id), "user_id": str(checkout.user_id)}
    price_id = await ensure_price(database, gateway, checkout.plan_id, checkout.interval, livemode=terms.livemode)
    params: dict[str, object] = {
        "customer": customer_id,
        "client_reference_id": str(checkout.id),
        "line_items": [{"price": price_id, "quantity": 1}],
        "success_url": checkout.success_url,
        "cancel_url": checkout.cancel_url,
        "metadata": metadata,
        **_mode_params(checkout, metadata, terms),
    }
    if checkout.trial_days and not terms.trial_requires_card:
        params["payment_method_collection"] = "if_required"
    if checkout.discount_percent:
        return {**params, "discounts": [{"coupon": await gateway.ensure_coupon(checkout.discount_percent)}]}
    if checkout.promotion_code is None:
        return {**params, "allow_promotion_codes": True}
    promotion = await gateway.find_promotion_code(checkout.promotion_code)
    if promotion is None:
        raise UnknownPromotionCode
    return {**params, "discounts": [{"promotion_code": promotion}]}


def _mode_params(checkout: Checkout, metadata: dict[str, str], terms: Terms) -> dict[str, object]:
    """What Stripe makes of the payment: a subscription, or a single charge, which has an invoice only if asked for."""
    named = {"metadata": {**metadata, "plan_id": checkout.plan_id}}
    if checkout.interval:
        return {"mode": "subscription", "subscription_data": {**named, **_trial_data(checkout, terms)}}
    invoice = {"enabled": True, "invoice_data": named}
    return {"mode": "payment", "payment_intent_data": named, "invoice_creation": invoice}


def _trial_data(checkout: Checkout, terms: Terms) -> dict[str, object]:
    """A trial at whose end nothing can be collected ends, rather than leaving a debt that nobody agreed to."""
    if not checkout.trial_days:
        return {}
    if terms.trial_requires_card:
        return {"trial_period_days": checkout.trial_days}
    ends = {"end_behavior": {"missing_payment_method": "cancel"}}
    return {"trial_period_days": checkout.trial_days, "trial_settings": ends}


async def ensure_price(
    database: Database, gateway: StripeGateway, plan_id: str, interval: str | None, *, livemode: bool
) -> str:
    """Stripe's id of our price, from memory or by its lookup key."""
    name = lookup_key(plan_id, interval)
    async with database.read() as session:
        known = await repository.find_price(session, name, livemode=livemode)
        retired = await repository.count_retired_prices(session, name, livemode=livemode)
    if known:
        return known
    price_id = await gateway.ensure_price(plan_id, interval, retired=retired)
    row = {"lookup_key": name, "livemode": livemode, "stripe_price_id": price_id}
    async with database.write() as session:
        # Stripe keeps one price by this name, so whoever notes it first noted the same.
        await session.execute(insert(Price).values(row).on_conflict_do_nothing())
    return price_id


async def close_checkout(database: Database, gateway: StripeGateway, checkout: Checkout) -> None:
    """End an open checkout early. One that was paid meanwhile is booked by its webhook all the same."""
    if checkout.stripe_session_id:
        await gateway.expire_checkout_session(checkout.stripe_session_id, key=f"expire:{checkout.id}")
    async with database.write() as session:
        await give_up_checkout(session, checkout.id, "expired", now=database.clock.now())


async def give_up_checkout(session: WriteSession, checkout_id: UUID, status: str, *, now: datetime) -> None:
    """Free the reservation. The payment is cancelled unless money has moved."""
    checkout = await repository.get_checkout(session, checkout_id)
    payment = await repository.get_payment_of_checkout(session, checkout_id)
    if checkout.status in {"reserved", "open"}:
        checkout.status, checkout.updated_at = status, now
        await release_trial(session, checkout.id)
        await _keep(session, checkout, payment, f"checkout.{status}", now)
    if payment.status in {"PENDING", "FAILED"}:
        payment.status, payment.updated_at = "CANCELLED", now
        payment.version += 1
