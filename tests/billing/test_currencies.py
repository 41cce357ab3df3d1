"""RB20: yen and dinars, smallest charges, and rounding. What a price costs stands at Stripe; we follow it."""

import pytest

from services.billing.catalogue import lookup_key
from tests.billing.test_grants import order_pack, units
from tests.billing.test_history import timeline


async def priced(shop, product, interval, currency, amount):
    """The owner sells for another currency: the price under our lookup key says so."""
    recurring = {"recurring[interval]": interval} if interval else {}
    await shop.stripe(
        "POST",
        "prices",
        currency=currency,
        unit_amount=str(amount),
        lookup_key=lookup_key(product, interval),
        **{"product_data[name]": product},
        **recurring,
    )


@pytest.mark.parametrize(
    ("currency", "price", "part", "net_left", "money"),
    [("jpy", 5900, 2000, 3900, "5900 JPY"), ("kwd", 12_340, 2_340, 10_000, "12.340 KWD")],
)
async def test_a_plan_is_sold_renewed_and_refunded_in_its_own_currency(shop, currency, price, part, net_left, money):
    await priced(shop, "viral", "month", currency, price)
    user = await shop.register()
    bought = await shop.buy(user)
    assert (bought["amount"], bought["currency"]) == (price, currency)
    assert (await shop.refund(bought["id"], amount=part, cancel_subscription=False)).status_code == 200
    await shop.settle()
    [refunded] = await shop.svc.published("payment.refunded")
    assert (refunded["data"]["currency"], refunded["data"]["amount_net_remaining"]) == (currency, net_left)
    summaries = [entry["summary"] for entry in await timeline(shop, user)]
    assert f"{money} was paid for Viral Plan: the start of the subscription." in summaries
    await shop.advance(32)
    renewal = (await shop.payments(user))[0]
    assert (renewal["kind"], renewal["amount"], renewal["currency"]) == ("subscription_cycle", price, currency)


async def test_a_dinar_is_refunded_in_tens_of_its_third_decimal(shop):
    await priced(shop, "viral", "month", "kwd", 12_340)
    user = await shop.register()
    bought = await shop.buy(user)
    refused = await shop.refund(bought["id"], amount=2_345)
    assert (refused.status_code, refused.json()["code"]) == (422, "refund_not_payable")
    assert (await shop.payments(user))[0]["amount_refunded"] == 0
    assert (await shop.refund(bought["id"], amount=2_340)).status_code == 200


async def test_a_pack_in_yen_is_taken_back_pro_rata(shop):
    await priced(shop, "images-100", None, "jpy", 999)
    user = await shop.register()
    checkout = await order_pack(shop, user)
    await shop.pay(checkout["session_id"])
    await shop.settle()
    [payment] = await shop.payments(user)
    assert (payment["amount"], payment["currency"]) == (999, "jpy")
    await shop.refund(payment["id"], amount=333)
    await shop.settle()
    assert await units(shop, user) == 66


async def coupon(shop, percent, code):
    made = await shop.stripe("POST", "coupons", percent_off=str(percent), duration="once")
    await shop.stripe(
        "POST", "promotion_codes", code=code, **{"promotion[type]": "coupon", "promotion[coupon]": made["id"]}
    )


async def test_a_discount_below_the_smallest_charge_is_a_clear_problem_and_reserves_nothing(shop):
    await coupon(shop, 96, "ALMOST")
    user = await shop.register()
    async with shop.svc.client(user) as client:
        answer = await client.post("/v1/billing/checkout", json={"pack_id": "images-100", "promotion_code": "ALMOST"})
    assert (answer.status_code, answer.json()["code"]) == (422, "amount_too_small"), answer.text
    [payment] = await shop.payments(user)
    assert payment["status"] == "CANCELLED"
    assert (await order_pack(shop, user))["url"]


async def test_a_pack_for_nothing_is_granted_and_stays_when_nothing_goes_back(shop):
    await coupon(shop, 100, "GIFT")
    user = await shop.register()
    checkout = await order_pack(shop, user, promotion_code="GIFT")
    await shop.pay(checkout["session_id"])
    await shop.settle()
    [payment] = await shop.payments(user)
    assert (payment["status"], payment["amount"]) == ("PAID", 0)
    assert await units(shop, user) == 100
    refused = await shop.refund(payment["id"])
    assert refused.status_code == 409
    assert await units(shop, user) == 100


async def test_a_discounted_pack_is_taken_back_by_what_was_really_paid(shop):
    await coupon(shop, 33, "THIRD")
    user = await shop.register()
    checkout = await order_pack(shop, user, promotion_code="THIRD")
    await shop.pay(checkout["session_id"])
    await shop.settle()
    [payment] = await shop.payments(user)
    assert payment["amount"] == 603
    [paid] = await shop.svc.published("payment.paid")
    assert (paid["data"]["amount_discount"], paid["data"]["amount_net"]) == (297, 603)
    await shop.refund(payment["id"], amount=201)
    await shop.settle()
    assert await units(shop, user) == 66


async def test_a_credit_of_the_customer_is_no_payment_and_cannot_be_refunded(shop):
    """A renewal that a credit pays in part is booked with what was charged, so that a full refund gives back that."""
    user = await shop.register()
    first = await shop.buy(user)
    await shop.stripe("POST", f"customers/{first['stripe_customer_id']}", balance="-900")
    await shop.advance(32)
    renewal = (await shop.payments(user))[0]
    assert (renewal["kind"], renewal["amount"], renewal["status"]) == ("subscription_cycle", 3000, "PAID")
    assert (await shop.refund(renewal["id"])).status_code == 200
    await shop.settle()
    assert (await shop.payments(user))[0]["amount_refunded"] == 3000
