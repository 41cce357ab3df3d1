"""What the twin and Stripe do alike. With STRIPE_TEST_KEY set each test runs against the real one too.

Only what an account can do by itself is here: Stripe has no lever to pay as a buyer or to turn its clock. Every test
makes things of its own, since a real account is never empty.
"""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import stripe

from tests.stripe_twin.bench import Bench
from tests.stripe_twin.real import LiveKey, given_key, real_client

SIDES = ["twin", *(["stripe"] if given_key() else [])]
RETURN = {"success_url": "https://studio.example/done", "cancel_url": "https://studio.example/back"}
# Stripe tells of an event some moments after what happened.
EVENT_SECONDS = 20


@pytest.fixture(params=SIDES)
def v1(request: pytest.FixtureRequest) -> Any:
    if request.param == "twin":
        bench: Bench = request.getfixturevalue("twin")
        return bench.stripe.v1
    key = given_key()
    assert key
    return real_client(key).v1


def unique(kind: str) -> str:
    return f"atelier_{kind}_{uuid4().hex[:16]}"


def refused(act: Callable[[], Any], kind: type[stripe.StripeError] = stripe.InvalidRequestError) -> Any:
    with pytest.raises(kind) as refusal:
        act()
    return refusal.value


def a_price(v1: Any, **more: Any) -> Any:
    product = {"name": "A plan", "metadata": {"made_by": "tests"}}
    facts = {"currency": "usd", "unit_amount": 1900, "recurring": {"interval": "month"}, "product_data": product}
    return v1.prices.create({**facts, **more})


def test_a_key_that_could_move_money_is_refused():
    assert given_key({}) is None
    assert given_key({"STRIPE_TEST_KEY": " sk_test_1 "}) == "sk_test_1"
    with pytest.raises(LiveKey):
        given_key({"STRIPE_TEST_KEY": "sk_live_1"})


def test_one_key_makes_one_customer_and_refuses_other_words(v1):
    options = {"idempotency_key": unique("key")}
    first = v1.customers.create({"email": "ada@example.com"}, options)
    assert v1.customers.create({"email": "ada@example.com"}, options).id == first.id
    refused(lambda: v1.customers.create({"email": "bob@example.com"}, options), stripe.IdempotencyError)


def test_a_deleted_customer_leaves_a_tombstone_and_can_buy_nothing(v1):
    customer = v1.customers.create({"metadata": {"user_id": "1"}})
    assert v1.customers.delete(customer.id).deleted is True
    assert v1.customers.retrieve(customer.id).deleted is True
    line = {"price": a_price(v1).id, "quantity": 1}
    order = {"mode": "subscription", "customer": customer.id, "line_items": [line], **RETURN}
    assert refused(lambda: v1.checkout.sessions.create(order)).param == "customer"


def test_what_nobody_made_is_missing(v1):
    assert refused(lambda: v1.customers.retrieve("cus_nobody")).code == "resource_missing"
    assert refused(lambda: v1.subscriptions.retrieve("sub_nothing")).code == "resource_missing"
    assert refused(lambda: v1.refunds.create({"payment_intent": "pi_nothing"})).code == "resource_missing"


def test_a_lookup_key_names_one_price_and_can_go_to_another(v1):
    key = unique("month")
    first = a_price(v1, lookup_key=key)
    assert [price.id for price in v1.prices.list({"lookup_keys": [key]}).data] == [first.id]
    refused(lambda: a_price(v1, lookup_key=key))
    second = a_price(v1, lookup_key=key, transfer_lookup_key=True)
    assert [price.id for price in v1.prices.list({"lookup_keys": [key]}).data] == [second.id]
    assert v1.prices.retrieve(first.id).lookup_key is None
    v1.prices.update(second.id, {"active": False})
    assert v1.prices.list({"lookup_keys": [key], "active": True}).data == []


def test_a_coupon_s_name_is_taken_once_and_a_promotion_code_is_found_by_its_words(v1):
    coupon = {"id": unique("coupon"), "percent_off": 20, "duration": "once"}
    v1.coupons.create(coupon)
    assert refused(lambda: v1.coupons.create(coupon)).code == "resource_already_exists"
    words = unique("code").replace("_", "").upper()
    promotion = {"type": "coupon", "coupon": coupon["id"]}
    code = v1.promotion_codes.create({"promotion": promotion, "code": words})
    assert [found.id for found in v1.promotion_codes.list({"code": words, "active": True}).data] == [code.id]
    v1.promotion_codes.update(code.id, {"active": False})
    assert v1.promotion_codes.list({"code": words, "active": True}).data == []
    v1.coupons.delete(coupon["id"])


@pytest.mark.parametrize("mode", ["subscription", "payment"])
def test_a_checkout_is_open_until_it_is_expired_and_is_expired_once(v1, mode):
    customer = v1.customers.create({})
    price = a_price(v1) if mode == "subscription" else a_price(v1, recurring=None)
    order = {"mode": mode, "customer": customer.id, "line_items": [{"price": price.id, "quantity": 1}], **RETURN}
    session = v1.checkout.sessions.create({**order, "metadata": {"checkout_id": "7"}, "client_reference_id": "7"})
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 1900)
    assert session.url
    assert 23 * 3600 < session.expires_at - session.created <= 24 * 3600 + 60
    listed = v1.checkout.sessions.list({"customer": customer.id}).data
    assert [(found.id, found.metadata["checkout_id"]) for found in listed] == [(session.id, "7")]
    assert v1.checkout.sessions.expire(session.id).status == "expired"
    refused(lambda: v1.checkout.sessions.expire(session.id))
    assert v1.subscriptions.list({"customer": customer.id, "status": "all"}).data == []


def test_a_checkout_of_an_unknown_price_or_another_site_s_words_is_refused(v1):
    line = {"price": "price_nothing", "quantity": 1}
    unknown = refused(lambda: v1.checkout.sessions.create({"mode": "subscription", "line_items": [line], **RETURN}))
    assert unknown.code == "resource_missing"
    refused(lambda: v1.customers.create({"nonsense": "1"}))
    refused(lambda: v1.customers.retrieve(v1.customers.create({}).id, {"expand": ["nothing"]}))


def test_lists_page_newest_first(v1):
    email = f"{unique('page')}@example.com"
    made = [v1.customers.create({"email": email}).id for _ in range(3)]
    first = v1.customers.list({"email": email, "limit": 2})
    rest = v1.customers.list({"email": email, "limit": 2, "starting_after": first.data[-1].id})
    assert (first.has_more, rest.has_more) == (True, False)
    assert {customer.id for customer in (*first.data, *rest.data)} == set(made)


def test_what_happens_is_told_as_an_event(v1):
    customer = v1.customers.create({"metadata": {"user_id": "1"}})
    deadline = time.monotonic() + EVENT_SECONDS
    while time.monotonic() < deadline:
        told = v1.events.list({"type": "customer.created", "limit": 100}).data
        if customer.id in {event.data.object["id"] for event in told}:
            return
        time.sleep(0.2)
    pytest.fail(f"no event told of {customer.id}")
