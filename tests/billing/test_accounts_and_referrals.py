"""What billing hears from others: who is locked out and let in, and who was brought by an affiliate."""

import pytest

from services.billing.tasks import follow_accounts
from shared.contracts.accounts import UserDisabled, UserEmailChanged, UserEnabled
from shared.contracts.community import ReferralAttributed, ReferralConverted, ReferralRejected
from shared.ids import new_id


@pytest.fixture
def discounted(shop):
    settings = shop.svc.runtime.parts.settings
    settings.referral_discount_percent = 20
    yield shop
    settings.referral_discount_percent = 0


def referral(kind, user_id, referral_id=None):
    return kind(
        referral_id=referral_id or new_id(),
        affiliate_id=new_id(),
        referred_user_id=user_id,
        method="code",
        rule="explicit_code",
    )


async def refer(shop, user_id, referral_id=None):
    await shop.svc.receive(referral(ReferralAttributed, user_id, referral_id))


async def lock_out(shop, user_id):
    await shop.svc.receive(UserDisabled(user_id=user_id, reason="fraud"), sequence=2)
    await follow_accounts(shop.svc.runtime)
    await shop.settle()


async def let_in(shop, user_id):
    await shop.svc.receive(UserEnabled(user_id=user_id, reason="cleared"), sequence=3)
    await follow_accounts(shop.svc.runtime)
    await shop.settle()


async def subscription_of(shop, user_id):
    async with shop.svc.client(user_id) as client:
        return (await client.get("/v1/billing/subscription")).json()["subscription"]


async def test_somebody_locked_out_can_buy_nothing_and_their_open_checkout_is_closed(shop):
    user = await shop.register()
    checkout = await shop.checkout(user)
    await lock_out(shop, user)
    async with shop.svc.client(user) as client:
        refused = await client.post("/v1/billing/checkout", json={"plan_id": "viral", "interval": "month"})
        status = (await client.get(f"/v1/billing/checkout/{checkout['checkout_id']}")).json()["status"]
    assert (refused.status_code, refused.json()["code"]) == (403, "account_disabled")
    assert status == "expired"
    assert (await shop.stripe("GET", f"checkout/sessions/{checkout['session_id']}"))["status"] == "expired"
    assert (await shop.payments(user))[0]["status"] == "CANCELLED"


async def test_somebody_locked_out_is_charged_no_further_period(shop):
    user = await shop.register()
    await shop.buy(user)
    await lock_out(shop, user)
    assert (await subscription_of(shop, user))["cancel_at"]
    await shop.advance(40)
    assert len(await shop.payments(user)) == 1
    assert await subscription_of(shop, user) is None


async def test_somebody_let_in_again_keeps_the_subscription_they_had(shop):
    user = await shop.register()
    await shop.buy(user)
    await lock_out(shop, user)
    await let_in(shop, user)
    assert (await subscription_of(shop, user))["cancel_at"] is None
    await shop.advance(32)
    assert len(await shop.payments(user)) == 2


async def test_a_cancellation_of_ones_own_outlives_being_locked_out(shop):
    user = await shop.register()
    await shop.buy(user)
    async with shop.svc.client(user) as client:
        await client.post("/v1/billing/subscription/cancel", json={"at_period_end": True})
    await lock_out(shop, user)
    await let_in(shop, user)
    assert (await subscription_of(shop, user))["cancel_at"]


async def test_an_account_is_followed_later_when_stripe_is_down(shop):
    user = await shop.register()
    await shop.buy(user)
    await shop.control("faults", method="POST", path="/v1/subscriptions/*", kind="500", times=3)
    await lock_out(shop, user)
    assert (await subscription_of(shop, user))["cancel_at"] is None
    await follow_accounts(shop.svc.runtime)
    assert (await subscription_of(shop, user))["cancel_at"]


async def test_a_referred_user_saves_on_the_first_purchase_only(discounted):
    user = await discounted.register()
    await refer(discounted, user)
    first = await discounted.buy(user)
    assert first["amount"] == 3120
    await discounted.advance(32)
    assert [payment["amount"] for payment in await discounted.payments(user)] == [3900, 3120]
    async with discounted.svc.client(user) as client:
        await client.post("/v1/billing/subscription/cancel", json={"at_period_end": False})
    await discounted.settle()
    assert (await discounted.buy(user, "creator"))["amount"] == 1900


async def test_two_referred_users_share_one_coupon_and_a_late_referral_changes_nothing(discounted):
    for _ in range(2):
        user = await discounted.register()
        referral = new_id()
        await refer(discounted, user, referral)
        await refer(discounted, user)
        assert (await discounted.buy(user))["amount"] == 3120
        [row] = await discounted.svc.rows("SELECT referral_id FROM billing_customers WHERE user_id = %(u)s", u=user)
        assert row["referral_id"] == referral


async def test_a_promotion_code_of_ones_own_takes_the_place_of_the_referral_discount(discounted):
    user = await discounted.register()
    await refer(discounted, user)
    coupon = await discounted.stripe("POST", "coupons", percent_off="50", duration="once")
    await discounted.stripe(
        "POST", "promotion_codes", code="HALF", **{"promotion[type]": "coupon", "promotion[coupon]": coupon["id"]}
    )
    checkout = await discounted.checkout(user, promotion_code="HALF")
    await discounted.pay(checkout["session_id"])
    await discounted.settle()
    assert (await discounted.payments(user))[0]["amount"] == 1950


async def test_stripe_knows_the_buyer_by_the_address_they_confirmed(shop):
    user = await shop.register()
    await shop.svc.receive(UserEmailChanged(user_id=user, email="buyer@atelier.test"))
    payment = await shop.buy(user)
    customer = await shop.stripe("GET", f"customers/{payment['stripe_customer_id']}")
    assert (customer["email"], customer["metadata"]) == ("buyer@atelier.test", {"user_id": str(user)})
    [bound] = await shop.svc.published("user.stripe_customer_bound")
    assert bound["data"] == {"user_id": str(user), "stripe_customer_id": payment["stripe_customer_id"]}


@pytest.mark.parametrize("end", [ReferralRejected, ReferralConverted], ids=["one's own", "spent"])
async def test_a_referral_that_was_refused_or_spent_earns_no_discount(discounted, end):
    user, referral_id = await discounted.register(), new_id()
    await refer(discounted, user, referral_id)
    await discounted.svc.receive(referral(end, user, referral_id), sequence=2)
    await discounted.buy(user)
    assert [payment["amount"] for payment in await discounted.payments(user)] == [3900]


async def test_a_refusal_of_one_referral_leaves_the_discount_of_another(discounted):
    user = await discounted.register()
    await refer(discounted, user)
    await discounted.svc.receive(referral(ReferralRejected, user), sequence=2)
    await discounted.buy(user)
    assert [payment["amount"] for payment in await discounted.payments(user)] == [3120]
