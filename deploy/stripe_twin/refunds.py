"""Refunds: never above the charge, and a bank may send one back."""

from deploy.stripe_twin.account import DAY, Account, Body
from deploy.stripe_twin.customers import card_of
from deploy.stripe_twin.errors import invalid
from deploy.stripe_twin.ids import new_id
from deploy.stripe_twin.listing import list_objects
from deploy.stripe_twin.metadata import changed, merged

FAIL_AFTER = DAY


async def create_refund(account: Account, params: Body) -> Body:
    charge = await _charge_to_refund(account, params)
    amount = _amount(charge, params.get("amount"))
    refund = await account.save(_refund(account, charge, amount, params))
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    await account.save(charge)
    await account.emit("charge.refunded", charge, {"amount_refunded": charge["amount_refunded"] - amount})
    await account.emit("refund.created", refund)
    method = await account.get("payment_method", charge["payment_method"])
    if card_of(method).refund == "fails":
        await account.schedule("fail_refund", refund["id"], account.now + FAIL_AFTER)
    return refund


async def _charge_to_refund(account: Account, params: Body) -> Body:
    if ("charge" in params) == ("payment_intent" in params):
        raise invalid("Exactly one of charge and payment_intent is required.", param="payment_intent")
    if "payment_intent" in params:
        intent = await account.get("payment_intent", params["payment_intent"], "payment_intent")
        if intent["status"] != "succeeded":
            raise invalid(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
        return await account.get("charge", intent["latest_charge"])
    return await account.get("charge", params["charge"], "charge")


def _amount(charge: Body, asked: int | None) -> int:
    """What to refund, in minor units; all that is left when nothing was asked."""
    if not charge["paid"]:
        raise invalid(f"Charge {charge['id']} was not paid and can't be refunded.", param="charge")
    if charge["disputed"]:
        raise invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if asked is not None and asked < 1:
        raise invalid("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    if asked is not None and asked > left:
        raise invalid(
            f"Refund amount ({asked}) is greater than unrefunded amount on charge ({left}).",
            param="amount",
            code="amount_too_large",
        )
    return left if asked is None else asked


def _refund(account: Account, charge: Body, amount: int, params: Body) -> Body:
    return {
        "id": new_id("re", 24),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": account.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "destination_details": {
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
            "type": "card",
        },
        "metadata": merged(None, params.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


async def fail_refund(account: Account, refund_id: str) -> Body:
    """The bank sent it back: the charge counts as less refunded again. A failed refund fails once."""
    refund = await account.get("refund", refund_id)
    if refund["status"] == "failed":
        return refund
    charge = await account.get("charge", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    await account.save(charge)
    await account.unschedule(refund_id)
    await account.change("refund.updated", refund, status="failed", failure_reason="lost_or_stolen_card")
    await account.emit("refund.failed", refund)
    return refund


async def update_refund(account: Account, params: Body, refund_id: str) -> Body:
    refund = await account.get("refund", refund_id)
    return await account.change("refund.updated", refund, **changed(refund, params))


async def get_refund(account: Account, _params: Body, refund_id: str) -> Body:
    return await account.get("refund", refund_id)


async def list_refunds(account: Account, params: Body) -> Body:
    fields = {"charge": "body->>'charge'", "payment_intent": "body->>'payment_intent'"}
    return await list_objects(account, "refund", params, fields)
