"""The API's view of invoices and invoice payments: read, pay, void, preview a change."""

import psycopg

from deploy.stripe_twin import invoices, subscription_changes, subscriptions
from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.errors import invalid
from deploy.stripe_twin.listing import Condition, list_objects, slice_of

_SUBSCRIPTION = "body#>>'{parent,subscription_details,subscription}'"


async def get_invoice(account: Account, _params: Body, invoice_id: str) -> Body:
    return await account.get("invoice", invoice_id)


async def list_invoices(account: Account, params: Body) -> Body:
    fields = {"customer": "customer", "status": "body->>'status'", "subscription": _SUBSCRIPTION}
    return await list_objects(account, "invoice", params, fields)


async def list_lines(account: Account, params: Body, invoice_id: str) -> Body:
    invoice = await account.get("invoice", invoice_id)
    return slice_of(invoice["lines"]["data"], f"/v1/invoices/{invoice_id}/lines", params)


async def pay_invoice(account: Account, params: Body, invoice_id: str) -> Body:
    """With the saved card or the given one. A refusal by the bank is a 402, and the attempt stands."""
    invoice = await account.get("invoice", invoice_id)
    if invoice["status"] != "open":
        raise invalid(f"Invoice is {invoice['status']}; only open invoices can be paid.", code="invoice_not_editable")
    if params.get("paid_out_of_band"):
        await invoices.mark_paid(account, invoice, None)
        await subscriptions.follow(account, invoice, paid=True)
        return invoice
    await _pay_by_card(account, invoice, params.get("payment_method"), confirms=False)
    return await account.get("invoice", invoice_id)


async def pay_on_page(account: Account, invoice_id: str) -> None:
    """The customer pays on the invoice's page, there to confirm what the bank asks."""
    invoice = await account.get("invoice", invoice_id)
    if invoice["status"] == "open":
        await _pay_by_card(account, invoice, None, confirms=True)


async def _pay_by_card(account: Account, invoice: Body, method_id: str | None, *, confirms: bool) -> None:
    subscription = await account.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    if method_id:
        method: Body | None = await account.get("payment_method", method_id, "payment_method")
    else:
        method = await subscriptions.payment_method(account, subscription)
    if method is None:
        raise invalid("There is no default payment method to pay this invoice with.", code="missing")
    outcome = await invoices.collect(account, invoice, method, present=False, authenticated=confirms)
    if outcome == "failed":
        await subscriptions.follow(account, invoice, paid=False)
        raise invoices.refusal(await account.get("payment_intent", invoice["_intent"]))
    if outcome == "paid":
        await subscriptions.follow(account, invoice, paid=True)


async def void_invoice(account: Account, _params: Body, invoice_id: str) -> Body:
    return await invoices.void(account, await account.get("invoice", invoice_id))


async def preview_invoice(account: Account, params: Body) -> Body:
    """What a change would be invoiced, found by doing it and taking it back."""
    if "subscription" not in params:
        raise invalid("The twin previews invoices of subscriptions.", param="subscription", code="parameter_missing")
    subscription = await account.get("subscription", params["subscription"], "subscription")
    details, preview = params.get("subscription_details", {}), Body()
    async with account.connection.transaction():
        if details:
            await subscription_changes.update_subscription(account, dict(details), subscription["id"])
        changed = await account.get("subscription", subscription["id"])
        if changed["latest_invoice"] == subscription["latest_invoice"]:
            account.now = changed["items"]["data"][0]["current_period_end"]
            await subscriptions.renew(account, subscription["id"])
            changed = await account.get("subscription", subscription["id"])
        if changed["latest_invoice"] == subscription["latest_invoice"]:
            raise invalid("No upcoming invoices for customer.", code="invoice_upcoming_none")
        preview = await account.get("invoice", changed["latest_invoice"])
        raise psycopg.Rollback
    return _as_preview(preview)


def _as_preview(invoice: Body) -> Body:
    return invoice | {
        "id": f"upcoming_{invoice['id']}",
        "amount_paid": 0,
        "amount_remaining": invoice["amount_due"],
        "attempt_count": 0,
        "attempted": False,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "number": None,
        "status": "draft",
        "status_transitions": dict.fromkeys(invoice["status_transitions"]),
    }


async def get_payment(account: Account, _params: Body, payment_id: str) -> Body:
    return await account.get("invoice_payment", payment_id)


async def list_payments(account: Account, params: Body) -> Body:
    fields = {"invoice": "body->>'invoice'", "status": "body->>'status'"}
    conditions: list[Condition] = []
    if intent := params.get("payment", {}).get("payment_intent"):
        conditions.append(("body#>>'{payment,payment_intent}' = %s", intent))
    return await list_objects(account, "invoice_payment", params, fields, conditions)
