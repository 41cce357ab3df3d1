"""The only file that talks to Stripe. Every call that changes something carries an idempotency key of ours."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

import httpx
import stripe

from services.billing import stripe_objects as objects
from services.billing.catalogue import CURRENCY, offer_of
from services.billing.errors import (
    ObjectMissing,
    PaymentProviderResting,
    PaymentProviderUnavailable,
    StripeDeclined,
    StripeRefused,
)
from services.billing.settings import BillingSettings
from services.billing.stripe_transport import GuardedTransport, Resting
from shared.breaker import Breaker
from shared.clock import Clock
from shared.logging import get_logger

SIGNATURE_TOLERANCE_SECONDS = 300
# Stripe forgets an idempotency key after 24 hours; from here on what was asked for is looked for and not asked again.
KEYS_KEPT = timedelta(hours=23)
RETRIES = 2
PAGE = 100
KEY_IN_USE_TRIES = 25
KEY_IN_USE_PAUSE_SECONDS = (0.1, 0.7)

Snapshot = TypeVar("Snapshot", bound=objects.StripeModel)
log = get_logger(__name__)


class BadSignature(Exception):
    """The body was not signed with one of our secrets, or not at a time near now."""


class StripeGateway:
    """Typed calls; raises PaymentProviderUnavailable when Stripe can't be had and StripeRefused when it says no."""

    def __init__(self, client: stripe.StripeClient, breaker: Breaker) -> None:
        self._v1, self.breaker = client.v1, breaker

    @classmethod
    def beside(cls, other: "StripeGateway") -> Self:
        """Another gateway over the same connections."""
        made = cls.__new__(cls)
        made._v1, made.breaker = other._v1, other.breaker  # noqa: SLF001 - of this very class
        return made

    async def create_customer(self, user_id: str, email: str | None, *, key: str) -> str:
        params: dict[str, Any] = {"metadata": {"user_id": user_id}}
        if email:
            params["email"] = email
        return str((await _asked(self._v1.customers.create_async, params, _key(key)))["id"])

    async def get_customer(self, customer_id: str) -> objects.CustomerSnapshot:
        return await _fetched(objects.CustomerSnapshot, self._v1.customers.retrieve_async, customer_id)

    async def get_price(self, price_id: str) -> objects.PriceSnapshot:
        return await _fetched(objects.PriceSnapshot, self._v1.prices.retrieve_async, price_id)

    async def get_fraud_warning(self, warning_id: str) -> objects.FraudWarningSnapshot:
        return await _fetched(
            objects.FraudWarningSnapshot, self._v1.radar.early_fraud_warnings.retrieve_async, warning_id
        )

    async def ensure_price(self, product_id: str, interval: str | None, *, retired: int = 0) -> str:
        """The id of the active price with our lookup key, made when Stripe has none. A pack has no interval.

        `retired` is how many prices of this name came before: each that is made needs an idempotency key of its own.
        """
        offer = offer_of(product_id, interval)
        wanted = {"lookup_keys": [offer.lookup_key], "active": True, "limit": 1}
        known = await _asked(self._v1.prices.list_async, wanted)
        if known["data"]:
            return str(known["data"][0]["id"])
        params: dict[str, Any] = {
            "currency": CURRENCY,
            "unit_amount": offer.amount,
            "lookup_key": offer.lookup_key,
            # An archived price keeps its key until another takes it.
            "transfer_lookup_key": True,
            "product_data": {"name": offer.name, "metadata": {"plan_id": product_id}},
        }
        if offer.interval:
            params["recurring"] = {"interval": offer.interval}
        key = f"price:{offer.lookup_key}" + (f":{retired}" if retired else "")
        return str((await _asked(self._v1.prices.create_async, params, _key(key)))["id"])

    async def create_checkout_session(self, params: dict[str, Any], *, key: str) -> objects.SessionSnapshot:
        answer = await _asked(self._v1.checkout.sessions.create_async, params, _key(key))
        return objects.SessionSnapshot.model_validate(answer)

    async def find_promotion_code(self, code: str) -> str | None:
        """The id of an active promotion code that customers know under this name."""
        found = await _asked(self._v1.promotion_codes.list_async, {"code": code, "active": True, "limit": 1})
        return str(found["data"][0]["id"]) if found["data"] else None

    async def ensure_coupon(self, percent: int) -> str:
        """The coupon that takes `percent` off a first invoice. One that exists already is refused, and is as good."""
        coupon_id = f"atelier_referral_{percent}"
        params = {"id": coupon_id, "percent_off": percent, "duration": "once", "name": f"{percent} % off"}
        try:
            await _asked(self._v1.coupons.create_async, params, _key(f"coupon:{coupon_id}"))
        except StripeRefused as refusal:
            log.info("coupon_not_made", coupon=coupon_id, reason=str(refusal))
        return coupon_id

    async def expire_checkout_session(self, session_id: str, *, key: str) -> None:
        """Close a session. One that was paid or has expired already stays as it is."""
        try:
            await _asked(self._v1.checkout.sessions.expire_async, session_id, {}, _key(key))
        except StripeRefused as refusal:
            log.info("session_not_expired", session=session_id, reason=str(refusal))

    async def get_session(self, session_id: str) -> objects.SessionSnapshot:
        return await _fetched(objects.SessionSnapshot, self._v1.checkout.sessions.retrieve_async, session_id)

    async def get_subscription(self, subscription_id: str) -> objects.SubscriptionSnapshot:
        return await _fetched(objects.SubscriptionSnapshot, self._v1.subscriptions.retrieve_async, subscription_id)

    async def get_invoice(self, invoice_id: str) -> objects.InvoiceSnapshot:
        params = {"expand": ["payments"]}
        return await _fetched(objects.InvoiceSnapshot, self._v1.invoices.retrieve_async, invoice_id, params)

    async def get_intent(self, intent_id: str) -> objects.IntentSnapshot:
        return await _fetched(objects.IntentSnapshot, self._v1.payment_intents.retrieve_async, intent_id)

    async def get_refund(self, refund_id: str) -> objects.RefundSnapshot:
        return await _fetched(objects.RefundSnapshot, self._v1.refunds.retrieve_async, refund_id)

    async def list_refunds(self, payment_intent_id: str) -> list[objects.RefundSnapshot]:
        found = await _asked(self._v1.refunds.list_async, {"payment_intent": payment_intent_id, "limit": 100})
        return [objects.RefundSnapshot.model_validate(entry) for entry in found["data"]]

    async def list_sessions(self, customer_id: str) -> list[objects.SessionSnapshot]:
        found = await _all_of(self._v1.checkout.sessions.list_async, {"customer": customer_id})
        return [objects.SessionSnapshot.model_validate(entry) for entry in found]

    async def find_session(self, customer_id: str, checkout_id: str) -> objects.SessionSnapshot | None:
        """The customer's session that was made for this checkout of ours."""
        for snapshot in await self.list_sessions(customer_id):
            if (snapshot.metadata or {}).get("checkout_id") == checkout_id:
                return snapshot
        return None

    async def list_invoices(self, customer_id: str) -> list[objects.InvoiceSnapshot]:
        params = {"customer": customer_id, "expand": ["data.payments"]}
        found = await _all_of(self._v1.invoices.list_async, params)
        return [objects.InvoiceSnapshot.model_validate(entry) for entry in found]

    async def list_invoice_ids_of(self, intent_id: str) -> list[str]:
        """The invoices that a payment intent pays; one, or none for a payment without an invoice."""
        payment = {"type": "payment_intent", "payment_intent": intent_id}
        found = await _asked(self._v1.invoice_payments.list_async, {"payment": payment})
        return [str(entry["invoice"]) for entry in found["data"]]

    async def list_subscriptions(self, customer_id: str) -> list[objects.SubscriptionSnapshot]:
        found = await _all_of(self._v1.subscriptions.list_async, {"customer": customer_id, "status": "all"})
        return [objects.SubscriptionSnapshot.model_validate(entry) for entry in found]

    async def list_dispute_ids(self, payment_intent_id: str) -> list[str]:
        found = await _all_of(self._v1.disputes.list_async, {"payment_intent": payment_intent_id})
        return [str(entry["id"]) for entry in found]

    async def get_dispute(self, dispute_id: str) -> objects.DisputeSnapshot:
        return await _fetched(objects.DisputeSnapshot, self._v1.disputes.retrieve_async, dispute_id)

    async def list_endpoints(self) -> list[objects.EndpointSnapshot]:
        """Where the account's events go; Stripe allows 16 endpoints, so one page holds all."""
        found = await _asked(self._v1.webhook_endpoints.list_async, {"limit": PAGE})
        return [objects.EndpointSnapshot.model_validate(entry) for entry in found["data"]]

    async def create_refund(self, params: dict[str, Any], *, key: str) -> objects.RefundSnapshot:
        answer = await _asked(self._v1.refunds.create_async, params, _key(key))
        return objects.RefundSnapshot.model_validate(answer)

    async def cancel_subscription(self, subscription_id: str, *, key: str) -> objects.SubscriptionSnapshot:
        """End a subscription at once. One that has ended already is returned as it is."""
        try:
            answer = await _asked(self._v1.subscriptions.cancel_async, subscription_id, {}, _key(key))
        except StripeRefused:
            return await self.get_subscription(subscription_id)
        return objects.SubscriptionSnapshot.model_validate(answer)

    async def schedule_cancel(self, subscription_id: str, *, at_period_end: bool, key: str) -> None:
        """Let a subscription end with its period, or take that back."""
        params = {"cancel_at_period_end": at_period_end}
        await _asked(self._v1.subscriptions.update_async, subscription_id, params, _key(key))

    async def preview_price_change(
        self, subscription_id: str, price_id: str, *, at: datetime
    ) -> objects.PreviewSnapshot:
        """The invoice that a change of price at this moment would be charged with."""
        details = await self._new_price(subscription_id, price_id, at)
        params = {"subscription": subscription_id, "subscription_details": details}
        answer = await _asked(self._v1.invoices.create_preview_async, params)
        return objects.PreviewSnapshot.model_validate(answer)

    async def change_price(self, subscription_id: str, price_id: str, *, at: datetime | None, key: str) -> str | None:
        """Change the price now; returns the latest invoice. `at` is the moment to calculate for; None: nothing is due.

        Raises StripeDeclined when the bank refuses, and then nothing has changed.
        """
        params = await self._new_price(subscription_id, price_id, at)
        params["payment_behavior"] = "error_if_incomplete"
        answer = await _asked(self._v1.subscriptions.update_async, subscription_id, params, _key(key))
        return objects.id_of(answer["latest_invoice"])

    async def _new_price(self, subscription_id: str, price_id: str, at: datetime | None) -> dict[str, Any]:
        item = (await self.get_subscription(subscription_id)).items.data[0]
        items = [{"id": item.id, "price": price_id}]
        if at is None:
            return {"items": items, "proration_behavior": "none"}
        return {"items": items, "proration_behavior": "always_invoice", "proration_date": int(at.timestamp())}

    async def schedule_price(self, subscription_id: str, price_id: str, interval: str, *, key: str) -> None:
        """Change the price when the period ends; the subscription then goes on without a schedule."""
        made = await _asked(
            self._v1.subscription_schedules.create_async, {"from_subscription": subscription_id}, _key(key)
        )
        schedule = objects.ScheduleSnapshot.model_validate(made)
        current = schedule.phases[0]
        kept = [{"price": objects.id_of(item.price), "quantity": item.quantity or 1} for item in current.items]
        phases = [
            {"items": kept, "start_date": current.start_date, "end_date": current.end_date},
            {"items": [{"price": price_id, "quantity": 1}], "duration": {"interval": interval, "interval_count": 1}},
        ]
        params = {"phases": phases, "end_behavior": "release"}
        await _asked(self._v1.subscription_schedules.update_async, schedule.id, params, _key(f"{key}:phases"))

    async def get_schedule(self, schedule_id: str) -> objects.ScheduleSnapshot:
        params = {"expand": ["phases.items.price"]}
        return await _fetched(
            objects.ScheduleSnapshot, self._v1.subscription_schedules.retrieve_async, schedule_id, params
        )

    async def release_schedule(self, schedule_id: str, *, key: str) -> None:
        """Take back what was planned. A schedule that is over already is as good; any other refusal is raised."""
        try:
            await _asked(self._v1.subscription_schedules.release_async, schedule_id, {}, _key(key))
        except StripeRefused as refusal:
            if (await self.get_schedule(schedule_id)).is_running:
                raise
            log.info("schedule_not_released", schedule=schedule_id, reason=str(refusal))

    async def pause(self, subscription_id: str, *, since: datetime, key: str) -> None:
        """Collect nothing more. The metadata keeps when the paid time is over, which Stripe has no word for."""
        params = {"pause_collection": {"behavior": "void"}, "metadata": {"paused_from": str(int(since.timestamp()))}}
        await _asked(self._v1.subscriptions.update_async, subscription_id, params, _key(key))

    async def unpause(self, subscription_id: str, *, new_cycle: bool, key: str) -> str | None:
        """Collect again, with `new_cycle` for a period that begins and is paid now. Returns the latest invoice.

        Raises StripeDeclined when the bank refuses, and then the pause goes on.
        """
        params: dict[str, Any] = {"pause_collection": "", "metadata": {"paused_from": ""}}
        if new_cycle:
            params |= {"billing_cycle_anchor": {"type": "now"}, "proration_behavior": "none"}
            params["payment_behavior"] = "error_if_incomplete"
        answer = await _asked(self._v1.subscriptions.update_async, subscription_id, params, _key(key))
        return objects.id_of(answer["latest_invoice"])

    async def has_payment_method(self, subscription_id: str) -> bool:
        """Whether there is anything that the next invoice could be collected from."""
        params = {"expand": ["customer"]}
        found = await _asked(self._v1.subscriptions.retrieve_async, subscription_id, params)
        settings = found["customer"].get("invoice_settings") or {}
        return bool(found.get("default_payment_method") or settings.get("default_payment_method"))

    async def create_portal_session(self, customer_id: str, return_url: str, *, key: str) -> str:
        """The address of a page on which the customer looks after their billing; it works for a few minutes."""
        params = {"customer": customer_id, "return_url": return_url}
        return str((await _asked(self._v1.billing_portal.sessions.create_async, params, _key(key)))["url"])


@asynccontextmanager
async def open_gateway(settings: BillingSettings, clock: Clock) -> AsyncIterator[StripeGateway]:
    """A gateway with connections of its own, closed with the block."""
    bases: Any = {"api": settings.stripe_api_base} if settings.stripe_api_base else {}
    breaker = Breaker(lambda: clock.now().timestamp())
    transport = GuardedTransport(breaker, timeout=settings.stripe_timeout_seconds)
    client = stripe.StripeClient(
        settings.stripe_secret_key,
        http_client=transport,
        max_network_retries=RETRIES,
        base_addresses=bases,
    )
    try:
        yield StripeGateway(client, breaker)
    finally:
        await transport.close_async()  # type: ignore[no-untyped-call]


def check_signature(body: bytes, header: str, secrets: tuple[str, ...], now: float) -> None:
    """Accept a body signed with any of the secrets within five minutes of `now` (Unix seconds, wall time).

    The SDK looks only for signatures that are too old; one from the future is as wrong. Raises BadSignature.
    """
    try:
        stamped = int(dict(part.split("=", 1) for part in header.split(",") if "=" in part)["t"])
        text = body.decode()
    except (KeyError, ValueError) as error:
        raise BadSignature from error
    if abs(now - stamped) > SIGNATURE_TOLERANCE_SECONDS:
        raise BadSignature
    if not any(_is_signed(text, header, secret) for secret in secrets):
        raise BadSignature


def _is_signed(text: str, header: str, secret: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(text, header, secret, SIGNATURE_TOLERANCE_SECONDS))
    except (stripe.SignatureVerificationError, ValueError):
        return False


def _key(key: str) -> dict[str, str]:
    return {"idempotency_key": key}


async def _all_of(call: Callable[..., Awaitable[Any]], params: dict[str, Any]) -> list[dict[str, Any]]:
    """Every page of a list, turned round: the oldest first, so that parents come before their children."""
    found: list[dict[str, Any]] = []
    more = True
    while more:
        after = {"starting_after": found[-1]["id"]} if found else {}
        page = await _asked(call, {**params, "limit": PAGE, **after})
        found += page["data"]
        more = bool(page["has_more"])
    return found[::-1]


async def _fetched(model: type[Snapshot], call: Callable[..., Awaitable[Any]], *arguments: Any) -> Snapshot:
    return model.model_validate(await _asked(call, *arguments))


async def _asked(call: Callable[..., Awaitable[Any]], *arguments: Any) -> dict[str, Any]:
    """Stripe's answer as plain data; its errors as ours."""
    try:
        answer: dict[str, Any] = (await _patiently(call, *arguments)).to_dict()
    except stripe.InvalidRequestError as error:
        kind = ObjectMissing if error.code == "resource_missing" else StripeRefused
        message = error.user_message or str(error)
        raise kind(message, code=error.code or "", param=str(error.param or "")) from error
    except stripe.CardError as error:
        raise StripeDeclined(error.user_message or str(error), code=error.code or "") from error
    except Resting as error:
        raise PaymentProviderResting from error
    except (stripe.StripeError, httpx.HTTPError) as error:
        log.warning("stripe_unavailable", error=type(error).__name__, detail=str(error)[:200])
        raise PaymentProviderUnavailable from error
    return answer


async def _patiently(call: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Wait for a request with the same key that is still running: its answer will be ours too."""
    for _ in range(KEY_IN_USE_TRIES):
        try:
            return await call(*arguments)
        except stripe.StripeError as error:
            if not _is_key_in_use(error):
                raise
        # Those who wait must not all come back at the same instant.
        await asyncio.sleep(random.uniform(*KEY_IN_USE_PAUSE_SECONDS))  # noqa: S311
    return await call(*arguments)


def _is_key_in_use(error: stripe.StripeError) -> bool:
    """The SDK leaves `code` empty on a 409; only the body still says what it was."""
    body = error.json_body if isinstance(error.json_body, dict) else {}
    return str(body.get("error", {}).get("code", "")) == "idempotency_key_in_use"
