"""Customers and their saved payment methods."""

from typing import Any

from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.cards import CARDS, Card
from deploy.stripe_twin.errors import invalid
from deploy.stripe_twin.ids import new_id, random_text
from deploy.stripe_twin.listing import list_objects
from deploy.stripe_twin.metadata import changed, merged

FIELDS = ("description", "email", "name", "phone", "preferred_locales", "tax_exempt")


async def create_customer(account: Account, params: Body) -> Body:
    return await account.create("customer.created", _customer(account, params))


def _customer(account: Account, params: Body) -> Body:
    given: dict[str, Any] = {name: params.get(name) or None for name in ("address", "shipping", *FIELDS)}
    return {
        "id": new_id("cus", 14),
        "object": "customer",
        "address": given["address"],
        "balance": params.get("balance", 0),
        "created": account.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": given["description"],
        "discount": None,
        "email": given["email"],
        "invoice_prefix": random_text(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": merged(None, params.get("metadata")),
        "name": given["name"],
        "next_invoice_sequence": 1,
        "phone": given["phone"],
        "preferred_locales": given["preferred_locales"] or [],
        "shipping": given["shipping"],
        "tax_exempt": given["tax_exempt"] or "none",
        "test_clock": None,
    }


async def get_customer(account: Account, _params: Body, customer_id: str) -> Body:
    customer = await account.get("customer", customer_id)
    return {key: customer[key] for key in ("id", "object", "deleted")} if customer.get("deleted") else customer


async def live_customer(account: Account, customer_id: str) -> Body:
    """A customer that was not deleted; raises resource_missing naming the parameter `customer`."""
    customer = await account.get("customer", customer_id, "customer")
    if customer.get("deleted"):
        raise invalid(f"The customer {customer_id} was deleted.", param="customer", code="resource_missing")
    return customer


async def update_customer(account: Account, params: Body, customer_id: str) -> Body:
    customer = await live_customer(account, customer_id)
    changes = changed(customer, params, "address", "shipping", "balance", *FIELDS)
    if method_id := params.get("invoice_settings", {}).get("default_payment_method"):
        await account.get("payment_method", method_id, "invoice_settings[default_payment_method]")
        changes["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": method_id}
    return await account.change("customer.updated", customer, **changes)


async def list_customers(account: Account, params: Body) -> Body:
    conditions = [("body->>'deleted' IS NULL", None)]
    return await list_objects(account, "customer", params, {"email": "body->>'email'"}, conditions)


async def new_method(account: Account, customer: Body | None, card: Card) -> Body:
    """A payment method made from a test card, not attached to anybody yet."""
    method = {
        "id": new_id("pm", 24),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": billing_details(customer),
        **card.method_details(),
        "created": account.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "_card": card.name,
    }
    return await account.save(method)


async def attach(account: Account, customer: Body, method: Body) -> Body:
    """Keep the method with the customer, as the default for invoices."""
    method["customer"] = customer["id"]
    await account.create("payment_method.attached", method)
    settings = customer["invoice_settings"] | {"default_payment_method": method["id"]}
    await account.change("customer.updated", customer, invoice_settings=settings)
    return method


def billing_details(customer: Body | None) -> Body:
    known = customer or {}
    return {
        "address": {
            "city": None,
            "country": "US",
            "line1": None,
            "line2": None,
            "postal_code": "94107",
            "state": None,
        },
        "email": known.get("email"),
        "name": known.get("name"),
        "phone": known.get("phone"),
        "tax_id": None,
    }


def card_of(method: Body) -> Card:
    return CARDS[method["_card"]]


async def get_payment_method(account: Account, _params: Body, method_id: str) -> Body:
    return await account.get("payment_method", method_id)


async def list_payment_methods(account: Account, params: Body, *customer: str) -> Body:
    """Both under /v1/payment_methods and under a customer."""
    params = params | ({"customer": customer[0]} if customer else {})
    if "customer" in params:
        await account.get("customer", params["customer"], "customer")
    fields = {"customer": "customer", "type": "body->>'type'"}
    page = await list_objects(account, "payment_method", params, fields)
    return page | {"url": f"/v1/customers/{customer[0]}/payment_methods"} if customer else page
