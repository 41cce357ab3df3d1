"""The invoice of a single payment: made after the money has come, already paid."""

from deploy.stripe_twin import invoices
from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.ids import new_id
from deploy.stripe_twin.listing import page_of
from deploy.stripe_twin.metadata import merged


async def issue_receipt(account: Account, session: Body) -> str | None:
    """The id of the paid invoice of a session that asked for one, with the session's own lines and discount."""
    wanted = session["invoice_creation"]
    if not (wanted and wanted["enabled"]):
        return None
    customer = await account.get("customer", session["customer"])
    lines = [_line(session, item, account.now) for item in session["_line_items"]]
    invoice = _receipt(account, customer, session, lines)
    await account.create("invoice.created", invoice)
    await invoices.finalize(account, invoice)
    intent = await account.find("payment_intent", session["_intent"] or "")
    if intent is not None:
        await invoices.link(account, invoice, intent)
    await invoices.mark_paid(account, invoice, intent)
    return str(invoice["id"])


def _receipt(account: Account, customer: Body, session: Body, lines: list[Body]) -> Body:
    """What the customer's balance holds is left alone: the payment was asked for without it."""
    invoice = invoices.new_invoice(account, customer, session["currency"], "manual", (account.now, account.now))
    subtotal, off = session["amount_subtotal"], session["total_details"]["amount_discount"]
    for line in lines:
        line["invoice"] = invoice["id"]
    invoices.spread_discount(lines, off, None)
    return (
        invoice
        | invoices.amounts(subtotal, off, 0)
        | {
            "starting_balance": customer["balance"],
            "_ending_balance": customer["balance"],
            "metadata": merged(None, session["invoice_creation"]["invoice_data"]["metadata"]),
            "lines": page_of(lines, f"/v1/invoices/{invoice['id']}/lines"),
        }
    )


def _line(session: Body, item: Body, now: int) -> Body:
    price = item["price"]
    details = {"invoice_item": new_id("ii", 24), "proration": False, "proration_details": None, "subscription": None}
    return {
        "id": new_id("il", 24),
        "object": "line_item",
        "amount": item["amount_subtotal"],
        "currency": session["currency"],
        "description": item["description"],
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": {
            "invoice_item_details": details,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "period": {"end": now, "start": now},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"],
        "subtotal": item["amount_subtotal"],
        "taxes": [],
    }
