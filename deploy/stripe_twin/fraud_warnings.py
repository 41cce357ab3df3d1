"""Early fraud warnings: a card network suspects a payment, before anybody disputes it."""

from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.errors import invalid
from deploy.stripe_twin.ids import new_id
from deploy.stripe_twin.listing import list_objects


async def warn(account: Account, intent_id: str) -> Body:
    intent = await account.get("payment_intent", intent_id, "payment_intent")
    if intent["status"] != "succeeded":
        raise invalid("Only a succeeded payment is warned of.", param="payment_intent")
    charge = await account.get("charge", intent["latest_charge"])
    warning = {
        "id": new_id("issfr", 24),
        "object": "radar.early_fraud_warning",
        "actionable": not charge["refunded"] and not charge["disputed"],
        "charge": charge["id"],
        "created": account.now,
        "fraud_type": "unauthorized_use_of_card",
        "livemode": False,
        "payment_intent": intent["id"],
    }
    return await account.create("radar.early_fraud_warning.created", warning)


async def get_warning(account: Account, _params: Body, warning_id: str) -> Body:
    return await account.get("radar.early_fraud_warning", warning_id)


async def list_warnings(account: Account, params: Body) -> Body:
    fields = {"charge": "body->>'charge'", "payment_intent": "body->>'payment_intent'"}
    return await list_objects(account, "radar.early_fraud_warning", params, fields)
