"""Invoices: drafted, finalised, paid or failed, with one payment intent for all attempts."""

from typing import Any

from deploy.stripe_twin import payments
from deploy.stripe_twin.account import DAY, Account, Body
from deploy.stripe_twin.customers import card_of
from deploy.stripe_twin.discounts import amount_off, current_discount
from deploy.stripe_twin.errors import declined, invalid
from deploy.stripe_twin.ids import new_id
from deploy.stripe_twin.listing import page_of

RETRY_AFTER = (3 * DAY, 5 * DAY, 7 * DAY)


async def draft_invoice(
    account: Account, subscription: Body, reason: str, lines: list[Body], period: tuple[int, int]
) -> Body:
    """Add the lines up, take off the discount in force, and use what the customer's balance holds."""
    customer = await account.get("customer", subscription["customer"])
    found = await current_discount(account, subscription["discounts"])
    subtotal = sum(line["amount"] for line in lines)
    off = amount_off(found[1], subtotal) if found and subtotal > 0 else 0
    invoice = new_invoice(account, customer, subscription["currency"], reason, period) | {
        "parent": _parent(subscription)
    }
    for line in lines:
        line["invoice"] = invoice["id"]
    spread_discount(lines, off, found[0]["id"] if found else None)
    if found and off:
        invoice |= {
            "discounts": [found[0]["id"]],
            "total_discount_amounts": [{"amount": off, "discount": found[0]["id"]}],
        }
    if found and subtotal > 0:
        await account.save(found[0] | {"_uses": found[0]["_uses"] + 1})
    invoice |= amounts(subtotal, off, customer["balance"])
    invoice["lines"] = page_of(lines, f"/v1/invoices/{invoice['id']}/lines")
    return await account.create("invoice.created", invoice)


def amounts(subtotal: int, off: int, balance: int) -> Body:
    """A negative balance is the customer's credit; a negative total adds to it."""
    total = subtotal - off
    used = min(total, max(0, -balance)) if total > 0 else total
    due = total - used
    return {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total,
        "amount_due": due,
        "amount_remaining": due,
        "starting_balance": balance,
        "_ending_balance": balance + used,
    }


def spread_discount(lines: list[Body], off: int, discount: str | None) -> None:
    """Each line bears its share of the discount; the last takes what rounding left."""
    subtotal, left = sum(line["amount"] for line in lines), off
    for index, line in enumerate(lines if off else []):
        is_last = index == len(lines) - 1
        share = left if is_last else off * line["amount"] // subtotal
        left -= share
        line["discount_amounts"] = [{"amount": share, "discount": discount}]


def new_invoice(account: Account, customer: Body, currency: str, reason: str, period: tuple[int, int]) -> Body:
    """A draft without lines that belongs to nothing yet."""
    return {
        "id": new_id("in", 24),
        "object": "invoice",
        **_UNSET,
        "account_country": "US",
        "account_name": "Atelier (twin)",
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": _NO_TAX,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": account.now,
        "currency": currency,
        **_billed_to(customer),
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "livemode": False,
        "metadata": {},
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": period[1],
        "period_start": period[0],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    }


def _billed_to(customer: Body) -> Body:
    """What an invoice copies, so that a later change of the customer does not reach it."""
    names = ("address", "email", "name", "phone", "shipping", "tax_exempt")
    return {
        "customer": customer["id"],
        "customer_tax_ids": [],
        **{f"customer_{each}": customer[each] for each in names},
    }


def _parent(subscription: Body) -> Body:
    return {
        "quote_details": None,
        "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
        "type": "subscription_details",
    }


_UNSET: Body = dict.fromkeys(
    (
        "account_tax_ids",
        "application",
        "automatically_finalizes_at",
        "custom_fields",
        "default_payment_method",
        "default_source",
        "description",
        "due_date",
        "effective_at",
        "ending_balance",
        "footer",
        "from_invoice",
        "hosted_invoice_url",
        "invoice_pdf",
        "last_finalization_error",
        "latest_revision",
        "next_payment_attempt",
        "number",
        "on_behalf_of",
        "parent",
        "receipt_number",
        "rendering",
        "shipping_cost",
        "shipping_details",
        "statement_descriptor",
        "test_clock",
        "webhooks_delivered_at",
    )
)


_NO_TAX = {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None}


def line(subscription: Body, item: Body, amount: int, period: tuple[int, int], description: str, **more: Any) -> Body:
    """A line for a subscription item; `proration=True` for what a change within a period costs or gives back."""
    details = {
        "invoice_item": None,
        "proration": more.get("proration", False),
        "proration_details": {"credited_items": None},
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    price = item["price"]
    return {
        "id": new_id("il", 24),
        "object": "line_item",
        "amount": amount,
        "currency": subscription["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": not details["proration"],
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": subscription["metadata"],
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        },
        "period": {"end": period[1], "start": period[0]},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"],
        "subtotal": amount,
        "taxes": [],
    }


async def finalize(account: Account, invoice: Body) -> Body:
    """Give it its number and settle the customer's balance; from here on the amounts stand."""
    customer = await account.get("customer", invoice["customer"])
    sequence = customer["next_invoice_sequence"]
    await account.change(
        "customer.updated", customer, next_invoice_sequence=sequence + 1, balance=invoice["_ending_balance"]
    )
    invoice["status_transitions"]["finalized_at"] = account.now
    invoice |= {
        "ending_balance": invoice["_ending_balance"],
        "effective_at": account.now,
        "hosted_invoice_url": f"{account.public_url}/invoice/{invoice['id']}",
        "invoice_pdf": f"{account.public_url}/invoice/{invoice['id']}",
        "number": f"{customer['invoice_prefix']}-{sequence:04d}",
        "status": "open",
    }
    await account.save(invoice)
    await account.emit("invoice.finalized", invoice)
    return invoice


async def collect(
    account: Account,
    invoice: Body,
    method: Body | None,
    *,
    present: bool,
    authenticated: bool = False,
    intent: Body | None = None,
) -> str:
    """Try to get an open invoice paid; returns `paid`, `failed`, `requires_action` or `processing`."""
    if invoice["amount_due"] == 0:
        await mark_paid(account, invoice, None)
        return "paid"
    intent = intent or await _intent(account, invoice)
    invoice |= {"attempt_count": invoice["attempt_count"] + 1, "attempted": True}
    await link(account, invoice, intent)
    if method is None:
        await mark_failed(account, invoice)
        return "failed"
    status = await payments.confirm(account, intent, method, present=present, authenticated=authenticated)
    if status == "succeeded":
        await mark_paid(account, invoice, intent)
        return "paid"
    if status == "requires_payment_method":
        await mark_failed(account, invoice, needs_action=card_of(method).later == "3ds" and not present)
        return "failed"
    await account.save(invoice)
    return status


async def _intent(account: Account, invoice: Body) -> Body:
    """The one intent of an invoice, made at the first attempt."""
    if found := invoice.get("_intent"):
        return await account.get("payment_intent", found)
    return await payments.create_intent(
        account,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        given={"description": "Subscription update" if invoice["attempt_count"] else "Subscription creation"},
    )


async def link(account: Account, invoice: Body, intent: Body) -> None:
    """An invoice payment joins the two, since neither names the other any more."""
    if invoice.get("_intent") == intent["id"]:
        return
    invoice["_intent"] = intent["id"]
    intent["_invoice"] = invoice["id"]
    await account.save(intent)
    await account.save(invoice)
    payment = {
        "id": new_id("inpay", 24),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_due"],
        "created": account.now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"charge": None, "payment_intent": intent["id"], "payment_record": None, "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    await account.save(payment)


async def mark_paid(account: Account, invoice: Body, intent: Body | None) -> None:
    """`intent` is None where nothing was to pay or the money came another way."""
    await account.unschedule(invoice["id"])
    for payment in await account.where("invoice_payment", invoice=invoice["id"], status="open"):
        payment |= {
            "status": "paid" if intent else "canceled",
            "amount_paid": invoice["amount_due"] if intent else None,
        }
        payment["status_transitions"]["paid_at" if intent else "canceled_at"] = account.now
        await account.save(payment)
        if intent:
            await account.emit("invoice_payment.paid", payment)
    invoice["status_transitions"]["paid_at"] = account.now
    invoice |= {
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": "paid",
    }
    await account.save(invoice)
    await account.emit("invoice.paid", invoice)
    await account.emit("invoice.payment_succeeded", invoice)


async def mark_failed(account: Account, invoice: Body, *, needs_action: bool = False) -> None:
    """Plan the next attempt; after the last one there is none. A first invoice is not retried."""
    attempt = invoice["attempt_count"]
    retries = invoice["billing_reason"] != "subscription_create" and attempt <= len(RETRY_AFTER)
    invoice["next_payment_attempt"] = account.now + RETRY_AFTER[attempt - 1] if retries else None
    if retries:
        await account.schedule("retry_invoice", invoice["id"], invoice["next_payment_attempt"])
    await account.save(invoice)
    await account.emit("invoice.payment_failed", invoice)
    if needs_action:
        await account.emit("invoice.payment_action_required", invoice)


async def void(account: Account, invoice: Body) -> Body:
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(f"You can't void an invoice that is {invoice['status']}.", code="invoice_not_editable")
    await account.unschedule(invoice["id"])
    if intent_id := invoice.get("_intent"):
        intent = await account.get("payment_intent", intent_id)
        if intent["status"] in payments.CANCELLABLE:
            await payments.stop_intent(account, intent, "void_invoice")
    invoice["status_transitions"]["voided_at"] = account.now
    invoice |= {"status": "void", "auto_advance": False, "next_payment_attempt": None}
    await account.save(invoice)
    await account.emit("invoice.voided", invoice)
    return invoice


def refusal(intent: Body) -> Exception:
    """The card error that an attempt to pay answers; the attempt itself stands."""
    error = intent["last_payment_error"] or {"decline_code": "authentication_required"}
    return declined(error["decline_code"])
