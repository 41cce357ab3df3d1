"""Disputes: a buyer's bank takes the money back, and may return it."""

from typing import Literal

from deploy.stripe_twin.account import DAY, Account, Body
from deploy.stripe_twin.errors import invalid
from deploy.stripe_twin.ids import new_id
from deploy.stripe_twin.listing import list_objects
from deploy.stripe_twin.metadata import changed

EVIDENCE = [
    "access_activity_log",
    "appeal",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
]
OPEN = ("needs_response", "under_review")


async def open_dispute(account: Account, intent_id: str) -> Body:
    """The money of the intent's charge is withdrawn at once."""
    intent = await account.get("payment_intent", intent_id, "payment_intent")
    if intent["status"] != "succeeded":
        raise invalid("Only a succeeded payment can be disputed.", param="payment_intent")
    charge = await account.get("charge", intent["latest_charge"])
    if charge["disputed"]:
        raise invalid("This charge was disputed already.", code="charge_disputed")
    charge["disputed"] = True
    await account.save(charge)
    dispute = await account.create("charge.dispute.created", _dispute(account, charge))
    await account.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _dispute(account: Account, charge: Body) -> Body:
    return {
        "id": new_id("du", 24),
        "object": "dispute",
        "amount": charge["amount"] - charge["amount_refunded"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": account.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": account.now + 9 * DAY,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "fraudulent",
        "status": "needs_response",
    }


async def close_dispute(account: Account, intent_id: str, outcome: Literal["won", "lost"]) -> Body:
    """Won gives the money back; both are final."""
    disputes = await account.where("dispute", payment_intent=intent_id)
    dispute = next((each for each in disputes if each["status"] in OPEN), None)
    if dispute is None:
        raise invalid(f"The payment {intent_id} has no open dispute.", param="payment_intent")
    return await _close(account, dispute, outcome)


async def _close(account: Account, dispute: Body, outcome: str) -> Body:
    await account.change("charge.dispute.closed", dispute, status=outcome)
    if outcome == "won":
        await account.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


async def update_dispute(account: Account, params: Body, dispute_id: str) -> Body:
    """Evidence given is submitted, unless `submit` is false."""
    dispute = await account.get("dispute", dispute_id)
    changes = changed(dispute, params)
    if evidence := params.get("evidence"):
        changes["evidence"] = dispute["evidence"] | evidence
        changes["evidence_details"] = dispute["evidence_details"] | {"has_evidence": True}
        if params.get("submit", True) and dispute["status"] == "needs_response":
            changes["status"] = "under_review"
            changes["evidence_details"] |= {"submission_count": 1, "submission_method": "manual"}
    return await account.change("charge.dispute.updated", dispute, **changes)


async def concede_dispute(account: Account, _params: Body, dispute_id: str) -> Body:
    dispute = await account.get("dispute", dispute_id)
    if dispute["status"] not in OPEN:
        raise invalid("This dispute is already closed.")
    return await _close(account, dispute, "lost")


async def get_dispute(account: Account, _params: Body, dispute_id: str) -> Body:
    return await account.get("dispute", dispute_id)


async def list_disputes(account: Account, params: Body) -> Body:
    fields = {"charge": "body->>'charge'", "payment_intent": "body->>'payment_intent'"}
    return await list_objects(account, "dispute", params, fields)
