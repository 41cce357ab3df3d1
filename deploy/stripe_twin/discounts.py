"""Coupons at work: who may redeem one, what it takes off, and for how long."""

from decimal import ROUND_HALF_UP, Decimal

from deploy.stripe_twin.account import Account, Body, moment, seconds
from deploy.stripe_twin.errors import StripeError, invalid
from deploy.stripe_twin.ids import new_id
from deploy.stripe_twin.periods import add_months


def amount_off(coupon: Body | None, subtotal: int) -> int:
    """What the coupon takes off a non-negative subtotal, in minor units, rounded half up, never below zero."""
    if coupon is None:
        return 0
    if coupon["amount_off"] is not None:
        return min(int(coupon["amount_off"]), subtotal)
    exact = Decimal(subtotal) * Decimal(str(coupon["percent_off"])) / 100
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


async def redeemable_coupon(account: Account, source: Body, customer: str | None, subtotal: int) -> Body:
    """The coupon behind `{coupon}` or `{promotion_code}`; raises when it may not be redeemed."""
    if "promotion_code" in source:
        code = await account.get("promotion_code", source["promotion_code"], "discounts[0][promotion_code]")
        await _check_code(account, code, customer, subtotal)
        source = code["promotion"]
    coupon = await account.get("coupon", source.get("coupon", ""), "discounts[0][coupon]")
    _check_limits(account, coupon, "redeem_by", "Coupon")
    return coupon


async def _check_code(account: Account, code: Body, customer: str | None, subtotal: int) -> None:
    if not code["active"]:
        raise _unusable("This promotion code is not active.")
    _check_limits(account, code, "expires_at", "Promotion code")
    if code["customer"] not in (None, customer):
        raise _unusable("This promotion code belongs to another customer.")
    if (code["restrictions"]["minimum_amount"] or 0) > subtotal:
        raise _unusable("The order is below this promotion code's minimum amount.")
    if code["restrictions"]["first_time_transaction"] and customer and await _has_paid(account, customer):
        raise _unusable("This promotion code is for a first purchase only.")


def _check_limits(account: Account, holder: Body, expiry: str, name: str) -> None:
    if holder["max_redemptions"] is not None and holder["times_redeemed"] >= holder["max_redemptions"]:
        raise _unusable(f"{name} has been redeemed the maximum number of times.")
    if holder[expiry] is not None and holder[expiry] <= account.now:
        raise _unusable(f"{name} is expired.")


def _unusable(message: str) -> StripeError:
    return invalid(message, param="discounts", code="coupon_expired" if "expired" in message else None)


async def _has_paid(account: Account, customer: str) -> bool:
    return bool(await account.where("charge", customer=customer, status="succeeded"))


async def redeem(account: Account, source: Body, coupon: Body, *, customer: str, subscription: str | None) -> Body:
    """Record the discount and count the redemption."""
    discount = {
        "id": new_id("di", 24),
        "object": "discount",
        "checkout_session": None,
        "customer": customer,
        "customer_account": None,
        "end": _end(account, coupon),
        "invoice": None,
        "invoice_item": None,
        "promotion_code": source.get("promotion_code"),
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": account.now,
        "subscription": subscription,
        "subscription_item": None,
        "_uses": 0,
    }
    await account.change("coupon.updated", coupon, times_redeemed=coupon["times_redeemed"] + 1)
    if code := discount["promotion_code"]:
        holder = await account.get("promotion_code", str(code))
        await account.change("promotion_code.updated", holder, times_redeemed=holder["times_redeemed"] + 1)
    await account.save(discount)
    if subscription:
        await account.emit("customer.discount.created", discount)
    return discount


def _end(account: Account, coupon: Body) -> int | None:
    if coupon["duration"] != "repeating":
        return None
    return seconds(add_months(moment(account.now), coupon["duration_in_months"]))


async def current_discount(account: Account, ids: list[str]) -> tuple[Body, Body] | None:
    """The first discount still in force with its coupon: `once` is for one invoice, `repeating` until its end."""
    for discount_id in ids:
        discount = await account.get("discount", discount_id)
        coupon = await account.find("coupon", discount["source"]["coupon"])
        if coupon is None or (discount["end"] is not None and discount["end"] <= account.now):
            continue
        if coupon["duration"] != "once" or discount["_uses"] == 0:
            return discount, coupon
    return None
