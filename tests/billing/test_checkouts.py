"""Corners of buying: codes that do not work, two of everything, and money that comes late or needs its owner."""

import asyncio

import psycopg
import pytest

from services.billing.tasks import finish_refunds
from shared.ids import new_id


async def order(shop, user, plan_id="viral", **more):
    async with shop.svc.client(user) as client:
        return await client.post("/v1/billing/checkout", json={"plan_id": plan_id, "interval": "month", **more})


async def status_of(shop, user, checkout):
    async with shop.svc.client(user) as client:
        answer = (await client.get(f"/v1/billing/checkout/{checkout['checkout_id']}")).json()
    return answer["status"], answer["payment_status"]


async def promotion(shop, code, percent=50, **more):
    coupon = await shop.stripe("POST", "coupons", percent_off=percent, duration="once")
    named = {"promotion[type]": "coupon", "promotion[coupon]": coupon["id"]}
    return await shop.stripe("POST", "promotion_codes", code=code, **named, **more)


async def test_a_promotion_code_takes_off_the_first_payment_what_it_says(shop):
    await promotion(shop, "HALF")
    user = await shop.register()
    checkout = (await order(shop, user, promotion_code="HALF")).json()
    await shop.pay(checkout["session_id"])
    await shop.settle()
    [payment] = await shop.payments(user)
    assert (payment["status"], payment["amount"]) == ("PAID", 1950)
    [fact] = [event["data"] for event in await shop.svc.published("payment.paid")]
    assert (fact["amount_total"], fact["amount_discount"], fact["amount_net"]) == (1950, 1950, 1950)
    await shop.advance(32)
    assert (await shop.payments(user))[0]["amount"] == 3900


async def test_what_is_free_by_its_code_needs_no_payment_and_gives_the_plan(shop):
    await promotion(shop, "GIFT", percent=100)
    user = await shop.register()
    checkout = (await order(shop, user, promotion_code="GIFT")).json()
    await shop.pay(checkout["session_id"])
    await shop.settle()
    [payment] = await shop.payments(user)
    assert (payment["status"], payment["amount"]) == ("PAID", 0)
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    assert "payment_receipt" not in str(await shop.svc.published("mail.requested"))


async def unusable_codes(shop):
    """A code that is switched off, one that has expired, one that is used up, and one of somebody else."""
    off = await promotion(shop, "OFF")
    await shop.stripe("POST", f"promotion_codes/{off['id']}", active="false")
    await promotion(shop, "EXPIRED", expires_at=int(shop.svc.clock.now().timestamp()) + 3600)
    await promotion(shop, "ONCE", max_redemptions=1)
    customer = await shop.stripe("POST", "customers", email="other@atelier.test")
    await promotion(shop, "OTHERS", customer=customer["id"])
    buyer = await shop.register()
    await shop.pay((await order(shop, buyer, promotion_code="ONCE")).json()["session_id"])
    await shop.advance(0.1)
    return ["OFF", "EXPIRED", "ONCE", "OTHERS", "NEVER-WAS"]


async def test_a_code_that_does_not_work_is_a_clear_problem_and_the_order_can_be_made_again(shop):
    codes = await unusable_codes(shop)
    user = await shop.register()
    for code in codes:
        answer = await order(shop, user, promotion_code=code)
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_promotion_code"), (code, answer.text)
    assert (await shop.svc.rows("SELECT count(*) AS n FROM checkouts WHERE status IN ('reserved', 'open')"))[0][
        "n"
    ] == 0
    assert (await order(shop, user)).status_code == 201


@pytest.mark.parametrize("code", ["", "a b", "\x00", "x" * 101, "'; DROP TABLE payments", "½", 7, ["HALF"]])
async def test_a_malformed_code_is_refused_before_anything_is_stored_or_asked(shop, code):
    user = await shop.register()
    assert (await order(shop, user, promotion_code=code)).status_code == 422
    assert await shop.svc.rows("SELECT 1 FROM checkouts") == []


async def test_the_database_itself_refuses_a_second_open_checkout_and_a_second_live_subscription(shop):
    user = await shop.register()
    await shop.buy(user)
    await shop.svc.rows("UPDATE checkouts SET status = 'open' RETURNING 1")
    for table in ("checkouts", "subscriptions"):
        names = [
            row["column_name"]
            for row in await shop.svc.rows(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %(table)s", table=table
            )
        ]
        renewed = {"id": "gen_random_uuid()", "stripe_session_id": "'cs_2'", "stripe_subscription_id": "'sub_2'"}
        values = ", ".join(renewed.get(name, f'"{name}"') for name in names)
        quoted = ", ".join(f'"{name}"' for name in names)
        with pytest.raises(psycopg.errors.UniqueViolation, match=r"one_(open|live)_key"):
            await shop.svc.rows(f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {table} RETURNING 1")


async def test_the_first_buyers_of_a_plan_at_the_same_moment_all_get_a_checkout(shop):
    users = [await shop.register() for _ in range(4)]
    answers = await asyncio.gather(*(order(shop, user) for user in users))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len(await shop.svc.rows("SELECT 1 FROM prices")) == 1


async def test_looking_at_the_success_page_grants_nothing(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    assert await status_of(shop, user, checkout) == ("open", "unpaid")
    await shop.control("delivery", drop=True)
    await shop.pay(checkout["session_id"])
    for _ in range(3):
        assert await status_of(shop, user, checkout) == ("open", "unpaid")
    assert (await shop.entitlement(user))["plan_id"] == "free"
    assert await shop.svc.rows("SELECT 1 FROM subscriptions") == []


async def test_a_payment_that_arrives_after_its_checkout_was_given_up_is_delivered(shop):
    user = await shop.register()
    await shop.control("faults", method="POST", path="/v1/checkout/sessions/*/expire", kind="500", times=3)
    first = await shop.checkout(user, "creator")
    await order(shop, user, "viral")
    rows = await shop.svc.rows("SELECT status FROM checkouts ORDER BY created_at")
    assert [row["status"] for row in rows] == ["superseded", "reserved"]
    await shop.pay(first["session_id"])
    await shop.settle()
    assert (await shop.entitlement(user))["plan_id"] == "creator"
    assert await status_of(shop, user, first) == ("complete", "paid")
    assert {payment["plan_id"]: payment["status"] for payment in await shop.payments(user)}["creator"] == "PAID"


async def test_a_late_payment_for_a_cancelled_one_is_delivered_and_the_second_one_refunded(shop):
    user = await shop.register()
    checkout = await shop.checkout(user, "creator")
    await shop.svc.rows("UPDATE payments SET status = 'CANCELLED' RETURNING 1")
    await shop.svc.rows("UPDATE checkouts SET status = 'expired' RETURNING 1")
    second = await shop.checkout(user, "viral")
    await shop.pay(checkout["session_id"])
    await shop.settle()
    assert (await shop.entitlement(user))["plan_id"] == "creator"
    await shop.pay(second["session_id"])
    await shop.settle()
    shop.svc.clock.advance(600)
    await finish_refunds(shop.svc.runtime)
    await shop.settle()
    states = {payment["plan_id"]: payment["status"] for payment in await shop.payments(user)}
    assert states == {"creator": "PAID", "viral": "REFUNDED"}


@pytest.mark.parametrize(("outcome", "plan"), [("ok", "viral"), ("fail", "free")])
async def test_a_bank_that_asks_the_buyer_grants_after_the_answer_and_not_before(shop, outcome, plan):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], "3ds")
    await shop.settle()
    assert (await shop.entitlement(user))["plan_id"] == "free"
    await shop.control(f"checkout/{checkout['session_id']}/confirm", outcome=outcome)
    await shop.settle()
    assert (await shop.entitlement(user))["plan_id"] == plan
    assert await status_of(shop, user, checkout) == (("complete", "paid") if outcome == "ok" else ("open", "unpaid"))


async def test_a_code_that_leaves_less_than_a_bank_moves_is_a_clear_problem(shop):
    await promotion(shop, "NEARLY", percent=99)
    user = await shop.register()
    async with shop.svc.client(user) as client:
        answer = await client.post("/v1/billing/checkout", json={"pack_id": "messages-500", "promotion_code": "NEARLY"})
    assert (answer.status_code, answer.json()["code"]) == (422, "amount_too_small"), answer.text


async def test_somebody_elses_checkout_is_not_found(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    async with shop.svc.client(new_id()) as client:
        assert (await client.get(f"/v1/billing/checkout/{checkout['checkout_id']}")).status_code == 404
