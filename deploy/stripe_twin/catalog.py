"""What is for sale: products, prices with lookup keys, coupons and promotion codes."""

from decimal import Decimal
from typing import Any

from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.errors import StripeError, invalid
from deploy.stripe_twin.ids import new_id, random_text
from deploy.stripe_twin.listing import Condition, list_objects
from deploy.stripe_twin.metadata import changed, merged

MAX_AMOUNT = 99_999_999  # Stripe's own limit: eight digits.
MAX_MONTHS = 120
LONGEST_INTERVAL = {"day": 1095, "week": 156, "month": 36, "year": 3}
READABLE = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


async def create_product(account: Account, params: Body) -> Body:
    product_id = params.get("id") or new_id("prod", 14)
    if await account.find("product", product_id):
        raise invalid(f"Product already exists: {product_id}", param="id", code="resource_already_exists")
    return await account.create("product.created", _product(account, product_id, params))


def _product(account: Account, product_id: str, params: Body) -> Body:
    return {
        "id": product_id,
        "object": "product",
        "active": params.get("active", True),
        "created": account.now,
        "default_price": None,
        "description": params.get("description"),
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": merged(None, params.get("metadata")),
        "name": params["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "tax_code": params.get("tax_code"),
        "type": "service",
        "unit_label": params.get("unit_label"),
        "updated": account.now,
        "url": params.get("url"),
    }


async def update_product(account: Account, params: Body, product_id: str) -> Body:
    product = await account.get("product", product_id)
    changes = changed(product, params, "active", "description", "name", "default_price", "unit_label", "url")
    if changes:
        changes["updated"] = account.now
    return await account.change("product.updated", product, **changes)


async def get_product(account: Account, _params: Body, product_id: str) -> Body:
    return await account.get("product", product_id)


async def list_products(account: Account, params: Body) -> Body:
    conditions: list[Condition] = [("id = ANY(%s)", params["ids"])] if "ids" in params else []
    return await list_objects(account, "product", params, {"active": "body->>'active'"}, conditions)


async def delete_product(account: Account, _params: Body, product_id: str) -> Body:
    product = await account.get("product", product_id)
    if await account.where("price", product=product_id):
        raise invalid("This product cannot be deleted because it has one or more user-created prices.")
    await account.emit("product.deleted", product)
    return await account.delete("product", product_id)


async def create_price(account: Account, params: Body) -> Body:
    if ("product" in params) == ("product_data" in params):
        raise invalid("Exactly one of product and product_data is required.", param="product", code="parameter_missing")
    if "product_data" in params:
        product = await create_product(account, params["product_data"])
    else:
        product = await account.get("product", params["product"], "product")
    await _claim_lookup_key(account, params)
    return await account.create("price.created", price_body(account, params, product["id"]))


def price_body(account: Account, params: Body, product_id: str) -> Body:
    amount = _unit_amount(params)
    return {
        "id": new_id("price", 24),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": "per_unit",
        "created": account.now,
        "currency": params["currency"].lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": params.get("lookup_key"),
        "metadata": merged(None, params.get("metadata")),
        "nickname": params.get("nickname"),
        "product": product_id,
        "recurring": _recurring(params.get("recurring")),
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if "recurring" in params else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


def _unit_amount(params: Body) -> int:
    amount = params.get("unit_amount", params.get("unit_amount_decimal"))
    if amount is None:
        raise invalid("Missing required param: unit_amount.", param="unit_amount", code="parameter_missing")
    if amount > MAX_AMOUNT:
        raise invalid(f"Amount must be no more than {MAX_AMOUNT}.", param="unit_amount", code="amount_too_large")
    if amount < 0 or Decimal(amount) != int(amount):
        raise invalid("The twin sells for whole, non-negative amounts only.", param="unit_amount")
    return int(amount)


def _recurring(given: Body | None) -> Body | None:
    if given is None:
        return None
    count = given.get("interval_count", 1)
    if not 1 <= count <= LONGEST_INTERVAL[given["interval"]] or given.get("usage_type", "licensed") != "licensed":
        raise invalid("The twin bills licensed prices, for at most three years at a time.", param="recurring")
    return {
        "interval": given["interval"],
        "interval_count": count,
        "meter": None,
        "trial_period_days": given.get("trial_period_days"),
        "usage_type": "licensed",
    }


async def _claim_lookup_key(account: Account, params: Body) -> None:
    """A lookup key names one active price; `transfer_lookup_key` takes it from the present holder."""
    if not (key := params.get("lookup_key")):
        return
    for holder in await account.where("price", lookup_key=key):
        if not params.get("transfer_lookup_key"):
            raise invalid(f"A price (`{holder['id']}`) already uses that lookup key.", param="lookup_key")
        await account.change("price.updated", holder, lookup_key=None)


async def update_price(account: Account, params: Body, price_id: str) -> Body:
    price = await account.get("price", price_id)
    if params.get("lookup_key") != price["lookup_key"]:
        await _claim_lookup_key(account, params)
    changes = changed(price, params, "active", "lookup_key", "nickname", "tax_behavior")
    return await account.change("price.updated", price, **changes)


async def get_price(account: Account, _params: Body, price_id: str) -> Body:
    return await account.get("price", price_id)


async def list_prices(account: Account, params: Body) -> Body:
    fields = {name: f"body->>'{name}'" for name in ("active", "currency", "product", "type")}
    conditions: list[Condition] = []
    if "lookup_keys" in params:
        conditions.append(("body->>'lookup_key' = ANY(%s)", params["lookup_keys"]))
    if interval := params.get("recurring", {}).get("interval"):
        conditions.append(("body#>>'{recurring,interval}' = %s", interval))
    return await list_objects(account, "price", params, fields, conditions)


def plan_of(price: Body) -> Body:
    """The old face of a recurring price, which subscription items still carry."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


async def create_coupon(account: Account, params: Body) -> Body:
    coupon_id = params.get("id") or random_text(8)
    if await account.find("coupon", coupon_id):
        raise StripeError(400, "Coupon already exists.", code="resource_already_exists", param="id")
    return await account.create("coupon.created", _coupon(account, coupon_id, params))


def _coupon(account: Account, coupon_id: str, params: Body) -> Body:
    _check_coupon(params)
    return {
        "id": coupon_id,
        "object": "coupon",
        "amount_off": params.get("amount_off"),
        "created": account.now,
        "currency": params.get("currency"),
        "duration": params.get("duration", "once"),
        "duration_in_months": params.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": merged(None, params.get("metadata")),
        "name": params.get("name"),
        "percent_off": params.get("percent_off"),
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
    }


def _check_coupon(params: Body) -> None:
    if ("percent_off" in params) == ("amount_off" in params):
        raise invalid("You must pass exactly one of percent_off and amount_off.", param="percent_off")
    if "percent_off" in params and not 0 < params["percent_off"] <= 100:  # noqa: PLR2004 -- per cent
        raise invalid("percent_off must be above 0 and at most 100.", param="percent_off")
    if "amount_off" in params and (params["amount_off"] < 1 or "currency" not in params):
        raise invalid("You must pass currency with a positive amount_off.", param="currency")
    if not 1 <= params.get("duration_in_months", 1) <= MAX_MONTHS:
        raise invalid("duration_in_months is 1 to 120.", param="duration_in_months")
    if (params.get("duration") == "repeating") != ("duration_in_months" in params):
        raise invalid("duration_in_months goes with duration=repeating, and only with it.", param="duration_in_months")


async def get_coupon(account: Account, _params: Body, coupon_id: str) -> Body:
    return await account.get("coupon", coupon_id)


async def list_coupons(account: Account, params: Body) -> Body:
    return await list_objects(account, "coupon", params)


async def delete_coupon(account: Account, _params: Body, coupon_id: str) -> Body:
    await account.emit("coupon.deleted", await account.get("coupon", coupon_id))
    return await account.delete("coupon", coupon_id)


async def create_promotion_code(account: Account, params: Body) -> Body:
    promotion = params["promotion"]
    coupon = await account.get("coupon", promotion.get("coupon", ""), "promotion[coupon]")
    code = params.get("code") or "".join(READABLE[ord(each) % len(READABLE)] for each in random_text(8))
    if await find_promotion_code(account, code):
        raise invalid(f"An active promotion code with `code: {code}` already exists.", param="code")
    body = {
        "id": new_id("promo", 24),
        "object": "promotion_code",
        "active": params.get("active", True),
        "code": code,
        "created": account.now,
        "customer": params.get("customer"),
        "customer_account": None,
        "expires_at": params.get("expires_at"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": merged(None, params.get("metadata")),
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": _restrictions(params.get("restrictions", {})),
        "times_redeemed": 0,
    }
    return await account.create("promotion_code.created", body)


def _restrictions(given: dict[str, Any]) -> Body:
    return {
        "first_time_transaction": given.get("first_time_transaction", False),
        "minimum_amount": given.get("minimum_amount"),
        "minimum_amount_currency": given.get("minimum_amount_currency"),
    }


async def find_promotion_code(account: Account, code: str) -> Body | None:
    """The active code, whatever its case."""
    for each in await account.where("promotion_code", active=True):
        if each["code"].lower() == code.lower():
            return each
    return None


async def update_promotion_code(account: Account, params: Body, code_id: str) -> Body:
    code = await account.get("promotion_code", code_id)
    return await account.change("promotion_code.updated", code, **changed(code, params, "active"))


async def get_promotion_code(account: Account, _params: Body, code_id: str) -> Body:
    return await account.get("promotion_code", code_id)


async def list_promotion_codes(account: Account, params: Body) -> Body:
    fields = {
        "active": "body->>'active'",
        "code": "body->>'code'",
        "coupon": "body#>>'{promotion,coupon}'",
        "customer": "customer",
    }
    return await list_objects(account, "promotion_code", params, fields)
