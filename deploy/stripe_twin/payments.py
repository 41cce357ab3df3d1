"""Payment intents and charges: one attempt to take money, and what the bank said."""

from typing import Any

from deploy.stripe_twin.account import DAY, Account, Body
from deploy.stripe_twin.cards import Card
from deploy.stripe_twin.customers import billing_details, card_of
from deploy.stripe_twin.errors import declined, invalid
from deploy.stripe_twin.ids import new_id
from deploy.stripe_twin.listing import list_objects

SETTLE_AFTER = DAY
CANCELLABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture", "processing")


async def create_intent(
    account: Account, *, amount: int, currency: str, customer: str | None, given: Body, **private: Any
) -> Body:
    """`given` is what the caller said of it: metadata, description, receipt_email, setup_future_usage …"""
    intent_id = new_id("pi", 24)
    intent: Body = {
        "id": intent_id,
        "object": "payment_intent",
        **_UNSET_INTENT,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_{new_id('secret', 25)}",
        "confirmation_method": "automatic",
        "created": account.now,
        "currency": currency,
        "customer": customer,
        "description": given.get("description"),
        "livemode": False,
        "metadata": given.get("metadata", {}),
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "receipt_email": given.get("receipt_email"),
        "setup_future_usage": given.get("setup_future_usage"),
        "statement_descriptor": given.get("statement_descriptor"),
        "status": "requires_payment_method",
        **private,
    }
    return await account.create("payment_intent.created", intent)


_UNSET_INTENT: Body = dict.fromkeys(
    (
        "application",
        "application_fee_amount",
        "automatic_payment_methods",
        "canceled_at",
        "cancellation_reason",
        "last_payment_error",
        "latest_charge",
        "next_action",
        "on_behalf_of",
        "payment_method",
        "processing",
        "review",
        "shipping",
        "source",
        "statement_descriptor_suffix",
        "transfer_data",
        "transfer_group",
    )
)


async def confirm(account: Account, intent: Body, method: Body, *, present: bool, authenticated: bool = False) -> str:
    """Ask the bank; returns the intent's new status. `present` says that the buyer is there to confirm."""
    intent |= {"payment_method": method["id"], "payment_method_types": [method["type"]]}
    card = card_of(method)
    reply = card.now if present else card.later
    if reply == "ok" or (reply == "3ds" and authenticated):
        await succeed(account, intent)
    elif reply == "delayed":
        await _process(account, intent)
    elif reply == "3ds" and present:
        await _ask_to_confirm(account, intent)
    else:
        await fail(account, intent, "authentication_required" if reply == "3ds" else card.decline_code)
    return str(intent["status"])


async def succeed(account: Account, intent: Body) -> Body:
    charge = await _charge(account, intent, failure=None)
    await account.emit("charge.succeeded", charge)
    return await _enter(
        account,
        intent,
        "payment_intent.succeeded",
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        last_payment_error=None,
        next_action=None,
        processing=None,
    )


async def fail(account: Account, intent: Body, decline_code: str) -> Body:
    error = declined(decline_code).body["error"]
    charge = await _charge(account, intent, failure=error)
    await account.emit("charge.failed", charge)
    method = await account.get("payment_method", intent["payment_method"])
    return await _enter(
        account,
        intent,
        "payment_intent.payment_failed",
        status="requires_payment_method",
        latest_charge=charge["id"],
        last_payment_error={**error, "charge": charge["id"], "payment_method": _shown(method)},
        payment_method=None,
        next_action=None,
        processing=None,
    )


async def _process(account: Account, intent: Body) -> None:
    await account.schedule("settle_intent", intent["id"], account.now + SETTLE_AFTER)
    await _enter(account, intent, "payment_intent.processing", status="processing")


async def _ask_to_confirm(account: Account, intent: Body) -> None:
    action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    await _enter(account, intent, "payment_intent.requires_action", status="requires_action", next_action=action)


async def _enter(account: Account, intent: Body, event_type: str, **changes: Any) -> Body:
    """A new status is told as an event of its own, without previous attributes."""
    intent.update(changes)
    await account.save(intent)
    await account.emit(event_type, intent)
    return intent


async def _charge(account: Account, intent: Body, failure: Body | None) -> Body:
    method = await account.get("payment_method", intent["payment_method"])
    customer = await account.find("customer", intent["customer"]) if intent["customer"] else None
    charge_id = new_id("py" if card_of(method).is_bank_debit else "ch", 24)
    charge = {
        "id": charge_id,
        "object": "charge",
        **_UNSET_CHARGE,
        "amount": intent["amount"],
        "amount_captured": 0 if failure else intent["amount"],
        "amount_refunded": 0,
        "billing_details": billing_details(customer),
        "calculated_statement_descriptor": "STRIPE TWIN",
        "captured": failure is None,
        "created": account.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": failure["code"] if failure else None,
        "failure_message": failure["message"] if failure else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": _outcome(failure),
        "paid": failure is None,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _charge_details(card_of(method), intent["amount"]),
        "receipt_email": intent["receipt_email"],
        "receipt_url": f"{account.public_url}/receipts/{charge_id}",
        "refunded": False,
        "status": "failed" if failure else "succeeded",
    }
    return await account.save(charge)


_UNSET_CHARGE: Body = dict.fromkeys(
    (
        "application",
        "application_fee",
        "application_fee_amount",
        "balance_transaction",
        "failure_balance_transaction",
        "on_behalf_of",
        "receipt_number",
        "review",
        "shipping",
        "source_transfer",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_data",
        "transfer_group",
    )
)


def _outcome(failure: Body | None) -> Body:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if failure else "approved_by_network",
        "reason": failure["decline_code"] if failure else None,
        "risk_level": "normal",
        "seller_message": "The bank declined the payment." if failure else "Payment complete.",
        "type": "issuer_declined" if failure else "authorized",
    }


def _charge_details(card: Card, amount: int) -> Body:
    details = card.charge_details()
    if details["type"] == "card":
        details["card"]["amount_authorized"] = amount
    return details


def _shown(method: Body) -> Body:
    return {name: value for name, value in method.items() if not name.startswith("_")}


async def cancel_intent(account: Account, params: Body, intent_id: str) -> Body:
    intent = await account.get("payment_intent", intent_id, "intent")
    if intent["status"] not in CANCELLABLE:
        raise invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    if intent.get("_session") or intent.get("_invoice"):
        raise invalid(
            "This PaymentIntent belongs to a Checkout Session or an invoice; expire or void that instead.",
            code="payment_intent_unexpected_state",
        )
    return await stop_intent(account, intent, params.get("cancellation_reason"))


async def stop_intent(account: Account, intent: Body, reason: str | None) -> Body:
    """Cancel without asking whose it is."""
    await account.unschedule(intent["id"])
    return await _enter(
        account,
        intent,
        "payment_intent.canceled",
        status="canceled",
        canceled_at=account.now,
        cancellation_reason=reason,
        next_action=None,
    )


async def get_intent(account: Account, _params: Body, intent_id: str) -> Body:
    return await account.get("payment_intent", intent_id, "intent")


async def list_intents(account: Account, params: Body) -> Body:
    return await list_objects(account, "payment_intent", params, {"customer": "customer"})


async def get_charge(account: Account, _params: Body, charge_id: str) -> Body:
    return await account.get("charge", charge_id)


async def list_charges(account: Account, params: Body) -> Body:
    fields = {"customer": "customer", "payment_intent": "body->>'payment_intent'"}
    return await list_objects(account, "charge", params, fields)
