"""The lines of a Checkout Session, from prices or from price data given on the spot."""

from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.catalog import create_product, price_body
from deploy.stripe_twin.errors import invalid
from deploy.stripe_twin.ids import new_id

MAX_QUANTITY = 999_999


async def line_items(account: Account, params: Body) -> list[Body]:
    """Raises when the prices do not fit the mode or each other."""
    given = params.get("line_items", [])
    if not given:
        raise invalid("Missing required param: line_items.", param="line_items", code="parameter_missing")
    items = [await _line_item(account, each, index) for index, each in enumerate(given)]
    kinds = {item["price"]["type"] for item in items}
    if params["mode"] == "payment" and "recurring" in kinds:
        raise invalid("You must provide one-time prices in `payment` mode.", param="mode")
    if params["mode"] == "subscription" and "recurring" not in kinds:
        raise invalid("You must provide at least one recurring price in `subscription` mode.", param="mode")
    if len({item["currency"] for item in items}) > 1:
        raise invalid("All prices on a Checkout session must have the same currency.", param="line_items")
    return items


async def _line_item(account: Account, given: Body, index: int) -> Body:
    price = await _price(account, given, index)
    quantity = given.get("quantity", 0)
    if not 1 <= quantity <= MAX_QUANTITY:
        raise invalid(f"Quantity is required and is 1 to {MAX_QUANTITY}.", param=f"line_items[{index}][quantity]")
    product = await account.get("product", price["product"])
    amount = price["unit_amount"] * quantity
    return {
        "id": new_id("li", 24),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product["name"],
        "price": price,
        "quantity": quantity,
    }


async def _price(account: Account, given: Body, index: int) -> Body:
    if "price" in given:
        price = await account.get("price", given["price"], f"line_items[{index}][price]")
        if not price["active"]:
            raise invalid("The price specified is inactive.", param=f"line_items[{index}][price]")
        return price
    if "price_data" not in given:
        raise invalid("Each line item needs price or price_data.", param=f"line_items[{index}][price]")
    return await _price_from_data(account, given["price_data"])


async def _price_from_data(account: Account, data: Body) -> Body:
    """An inline price is kept, inactive, so that nothing else can be sold for it."""
    if "product" in data:
        product = await account.get("product", data["product"], "price_data[product]")
    else:
        product = await create_product(account, data.get("product_data", {"name": "Unnamed"}))
    return await account.save(price_body(account, data | {"active": False}, product["id"]))


def totals(items: list[Body]) -> Body:
    return {
        "amount_subtotal": sum(item["amount_subtotal"] for item in items),
        "amount_total": sum(item["amount_total"] for item in items),
        "total_details": {
            "amount_discount": sum(item["amount_discount"] for item in items),
            "amount_shipping": 0,
            "amount_tax": 0,
        },
    }
