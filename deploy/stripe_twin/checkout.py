"""Checkout Sessions: a page on which somebody pays once or starts a subscription."""

from typing import Any

from deploy.stripe_twin import payments, receipts, subscriptions
from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.cards import CARDS
from deploy.stripe_twin.catalog import find_promotion_code
from deploy.stripe_twin.checkout_checks import LIFE, check_amount, check_session
from deploy.stripe_twin.checkout_items import line_items, totals
from deploy.stripe_twin.customers import attach, create_customer, live_customer, new_method
from deploy.stripe_twin.discounts import amount_off, redeem, redeemable_coupon
from deploy.stripe_twin.errors import declined, invalid
from deploy.stripe_twin.ids import random_text
from deploy.stripe_twin.listing import list_objects, slice_of
from deploy.stripe_twin.metadata import changed, merged

# What a buyer chooses who names no card.
NO_CARD = "none"


async def create_session(account: Account, params: Body) -> Body:
    check_session(account, params)
    if "customer" in params:
        await live_customer(account, params["customer"])
    items, coupon = await _priced(account, params)
    session = _session(account, params, items) | totals(items)
    check_amount(session)
    session["_coupon"] = coupon
    if coupon:
        source = params["discounts"][0]
        session["discounts"] = [{"coupon": source.get("coupon"), "promotion_code": source.get("promotion_code")}]
    await account.schedule("expire_session", session["id"], session["expires_at"])
    return await account.save(session)


async def _priced(account: Account, params: Body) -> tuple[list[Body], str | None]:
    """The items with the discount spread over them, and the id of its coupon."""
    items = await line_items(account, params)
    if not params.get("discounts"):
        return items, None
    if len(params["discounts"]) > 1 or params.get("allow_promotion_codes"):
        raise invalid("You may specify one discount, and not together with allow_promotion_codes.", param="discounts")
    subtotal = sum(item["amount_subtotal"] for item in items)
    coupon = await redeemable_coupon(account, params["discounts"][0], params.get("customer"), subtotal)
    _discount(items, amount_off(coupon, subtotal))
    return items, str(coupon["id"])


def _discount(items: list[Body], off: int) -> None:
    subtotal, left = sum(item["amount_subtotal"] for item in items), off
    for index, item in enumerate(items):
        share = left if index == len(items) - 1 else off * item["amount_subtotal"] // max(subtotal, 1)
        left -= share
        item |= {"amount_discount": share, "amount_total": item["amount_subtotal"] - share}


def _session(account: Account, params: Body, items: list[Body]) -> Body:
    session_id = f"cs_test_a1{random_text(56)}"
    mode = params["mode"]
    return {
        "id": session_id,
        "object": "checkout.session",
        **_UNSET,
        "adaptive_pricing": {"enabled": False},
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "created": account.now,
        "currency": items[0]["currency"],
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer": params.get("customer"),
        "customer_creation": None if "customer" in params or mode == "subscription" else "if_required",
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "expires_at": params.get("expires_at", account.now + LIFE),
        "invoice_creation": _invoice_creation(params),
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": merged(None, params.get("metadata")),
        "mode": mode,
        "payment_method_collection": params.get("payment_method_collection", _COLLECTION[mode]),
        "payment_method_options": {},
        "payment_method_types": params.get("payment_method_types", ["card"]),
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "success_url": params["success_url"],
        "ui_mode": "hosted_page",
        "url": f"{account.public_url}/checkout/{session_id}",
        "_line_items": items,
        "_data": params.get("subscription_data", params.get("payment_intent_data", {})),
    }


_COLLECTION = {"subscription": "always", "payment": "if_required"}


def _invoice_creation(params: Body) -> Body | None:
    """Only a single payment asks for an invoice; a subscription always has them."""
    if params["mode"] != "payment":
        return None
    asked = params.get("invoice_creation", {"enabled": False})
    unset = ("account_tax_ids", "custom_fields", "description", "footer", "issuer", "rendering_options")
    metadata = merged(None, asked.get("invoice_data", {}).get("metadata"))
    return {"enabled": asked["enabled"], "invoice_data": {**dict.fromkeys(unset), "metadata": metadata}}


_UNSET: Body = dict.fromkeys(
    [
        "after_expiration",
        "billing_address_collection",
        "client_secret",
        "collected_information",
        "consent",
        "consent_collection",
        "currency_conversion",
        "customer_details",
        "invoice",
        "payment_intent",
        "payment_link",
        "payment_method_configuration_details",
        "recovered_from",
        "saved_payment_method_options",
        "setup_intent",
        "shipping_address_collection",
        "shipping_cost",
        "subscription",
        "wallet_options",
        "origin_context",
        "_intent",
    ]
)


async def pay(account: Account, session_id: str, card_name: str, *, confirmed: bool = False) -> Body:
    """What the buyer does on the page with one of the test cards. Raises the card error when it is declined.

    A card that asks for confirmation leaves the session open; paying again with it, or `confirmed`, confirms.
    """
    session = await open_session(account, session_id)
    if card_name == NO_CARD:
        return await _begin_without_card(account, session)
    card = CARDS.get(card_name)
    if card is None:
        raise invalid(f"No such test card: {card_name}; there are {', '.join(CARDS)}.", param="card")
    customer = await _customer(account, session)
    method = await new_method(account, customer, card)
    amount_due = _amount_due(session)
    intent = await _intent(account, session, customer) if amount_due else None
    asked_before = intent is not None and intent["status"] == "requires_action"
    authenticated = confirmed or asked_before
    if intent is not None and (card.now == "declined" or (card.now == "3ds" and not authenticated)):
        return await _stopped(account, session, intent, method)
    if card.now == "declined":
        raise declined(card.decline_code)
    if session["mode"] == "subscription":
        return await _subscribe(account, session, customer, method, intent, authenticated=authenticated)
    return await _pay_once(account, session, customer, method, intent, authenticated=authenticated)


async def _begin_without_card(account: Account, session: Body) -> Body:
    """A trial may be begun without naming a card, where the session says so."""
    if _amount_due(session) or session["payment_method_collection"] != "if_required":
        raise invalid("This Checkout Session needs a payment method.", param="card")
    return await _subscribe(account, session, await _customer(account, session), None, None, authenticated=False)


async def confirm(account: Account, session_id: str, *, succeeded: bool) -> Body:
    """The buyer's answer to the bank's question (3D Secure). Failing it is a decline; the session stays open."""
    session = await open_session(account, session_id)
    intent = await account.find("payment_intent", session["_intent"] or "")
    if intent is None or intent["status"] != "requires_action":
        raise invalid("This Checkout Session waits for no confirmation.", code="payment_intent_unexpected_state")
    if succeeded:
        return await pay(account, session_id, "3ds", confirmed=True)
    await payments.fail(account, intent, "authentication_required")
    raise declined("authentication_required")


async def open_session(account: Account, session_id: str) -> Body:
    session = await account.get("checkout.session", session_id)
    if session["status"] != "open":
        raise invalid(f"This Checkout Session is {session['status']}, not open.", code="checkout_session_not_open")
    return session


def _amount_due(session: Body) -> int:
    """Nothing is due while a trial runs."""
    data = session["_data"]
    return 0 if data.get("trial_end") or data.get("trial_period_days") else int(session["amount_total"])


async def _customer(account: Account, session: Body) -> Body:
    """The session's own customer; a guest becomes one at the first attempt."""
    if session["customer"]:
        return await account.get("customer", session["customer"])
    email = session["customer_email"] or "guest@example.com"
    customer = await create_customer(account, {"email": email})
    await account.save(session | {"customer": customer["id"]})
    session["customer"] = customer["id"]
    return customer


async def _intent(account: Account, session: Body, customer: Body) -> Body:
    """One intent for all attempts of a session."""
    if session["_intent"]:
        return await account.get("payment_intent", session["_intent"])
    is_payment = session["mode"] == "payment"
    intent = await payments.create_intent(
        account,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=customer["id"],
        given=session["_data"] if is_payment else {"description": "Subscription creation"},
        _session=session["id"],
    )
    session["_intent"] = intent["id"]
    session["payment_intent"] = intent["id"] if is_payment else None
    await account.save(session)
    return intent


async def _stopped(account: Account, session: Body, intent: Body, method: Body) -> Body:
    """Declined, or waiting for the buyer to confirm: the session stays open either way."""
    await payments.confirm(account, intent, method, present=True)
    if intent["status"] == "requires_action":
        return session
    raise declined(intent["last_payment_error"]["decline_code"])


async def _subscribe(
    account: Account, session: Body, customer: Body, method: Body | None, intent: Body | None, *, authenticated: bool
) -> Body:
    if method is not None:
        await attach(account, customer, method)
    prices = [(item["price"], item["quantity"]) for item in session["_line_items"]]
    subscription, invoice, outcome = await subscriptions.begin(
        account,
        customer=customer,
        prices=prices,
        given=session["_data"],
        method=method,
        coupon=await _coupon(account, session),
        intent=intent,
        authenticated=authenticated,
    )
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    return await _complete(account, session, customer, "unpaid" if outcome == "processing" else None)


async def _pay_once(
    account: Account, session: Body, customer: Body, method: Body, intent: Body | None, *, authenticated: bool
) -> Body:
    if coupon := await _coupon(account, session):
        await redeem(account, *coupon, customer=customer["id"], subscription=None)
    if session["_data"].get("setup_future_usage"):
        await attach(account, customer, method)
    status = "succeeded"
    if intent is not None:
        status = await payments.confirm(account, intent, method, present=True, authenticated=authenticated)
    if status == "succeeded":
        session["invoice"] = await receipts.issue_receipt(account, session)
    return await _complete(account, session, customer, "unpaid" if status == "processing" else None)


async def _coupon(account: Account, session: Body) -> tuple[Body, Body] | None:
    """The discount's source as the session names it, and the coupon it was priced with."""
    if not session["_coupon"]:
        return None
    source = {name: value for name, value in session["discounts"][0].items() if value}
    return source, await account.get("coupon", session["_coupon"])


async def _complete(account: Account, session: Body, customer: Body, payment_status: str | None) -> Body:
    await account.unschedule(session["id"])
    session |= {
        "status": "complete",
        "payment_status": payment_status or ("paid" if _amount_due(session) else "no_payment_required"),
        "url": None,
        "customer_details": _customer_details(customer),
    }
    await account.save(session)
    await account.emit("checkout.session.completed", session)
    return session


def _customer_details(customer: Body) -> Body:
    return {
        "address": {"city": None, "country": "US", "line1": None, "line2": None, "postal_code": "94107", "state": None},
        "business_name": None,
        "email": customer["email"],
        "individual_name": None,
        "name": customer["name"],
        "phone": customer["phone"],
        "tax_exempt": "none",
        "tax_ids": [],
    }


async def apply_promotion_code(account: Account, session_id: str, text: str) -> Body:
    """What the buyer types into the page's code field."""
    session = await open_session(account, session_id)
    code = await find_promotion_code(account, text)
    if code is None or not session["allow_promotion_codes"]:
        raise invalid("This code is invalid.", param="promotion_code", code="resource_missing")
    source = {"promotion_code": code["id"]}
    coupon = await redeemable_coupon(account, source, session["customer"], session["amount_subtotal"])
    if session["_intent"]:
        raise invalid("A code can be entered before the first attempt to pay.", param="promotion_code")
    _discount(session["_line_items"], amount_off(coupon, session["amount_subtotal"]))
    session |= totals(session["_line_items"])
    check_amount(session)
    session |= {"discounts": [{"coupon": None, "promotion_code": code["id"]}], "_coupon": coupon["id"]}
    return await account.save(session)


async def expire_session(account: Account, _params: Body, session_id: str) -> Body:
    session = await account.get("checkout.session", session_id)
    if session["status"] != "open":
        raise invalid(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.'
        )
    await account.unschedule(session_id)
    if session["_intent"]:
        await payments.stop_intent(account, await account.get("payment_intent", session["_intent"]), None)
    session |= {"status": "expired", "url": None}
    await account.save(session)
    await account.emit("checkout.session.expired", session)
    return session


async def expire_when_due(account: Account, session_id: str) -> None:
    if (await account.get("checkout.session", session_id))["status"] == "open":
        await expire_session(account, {}, session_id)


async def settle(account: Account, session_id: str, *, succeeded: bool) -> None:
    """The delayed payment of a complete session came, or did not."""
    session = await account.get("checkout.session", session_id)
    if succeeded:
        session["payment_status"] = "paid"
        if session["mode"] == "payment":
            session["invoice"] = await receipts.issue_receipt(account, session)
        await account.save(session)
    await account.emit(f"checkout.session.async_payment_{'succeeded' if succeeded else 'failed'}", session)


async def update_session(account: Account, params: Body, session_id: str) -> Body:
    session = await account.get("checkout.session", session_id)
    return await account.save(session | changed(session, params))


async def get_session(account: Account, _params: Body, session_id: str) -> Body:
    return await account.get("checkout.session", session_id)


async def list_sessions(account: Account, params: Body) -> Body:
    fields: dict[str, Any] = {"customer": "customer"}
    fields |= {name: f"body->>'{name}'" for name in ("payment_intent", "subscription", "status")}
    return await list_objects(account, "checkout.session", params, fields)


async def list_line_items(account: Account, params: Body, session_id: str) -> Body:
    session = await account.get("checkout.session", session_id)
    return slice_of(session["_line_items"], f"/v1/checkout/sessions/{session_id}/line_items", params)
