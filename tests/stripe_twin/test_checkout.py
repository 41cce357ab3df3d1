"""Checkout Sessions through the real SDK: what is created, paid, refused, and told."""

import pytest
import stripe

from tests.stripe_twin.bench import DAY, Bench


def test_a_paid_subscription_checkout_tells_the_whole_story(twin: Bench) -> None:
    session = twin.session(
        client_reference_id="user-1", metadata={"checkout": "c1"}, subscription_data={"metadata": {"checkout": "c1"}}
    )
    assert (session["status"], session["payment_status"], session["amount_total"]) == ("open", "unpaid", 1900)

    paid = twin.pay(session)

    assert (paid["outcome"], paid["status"], paid["payment_status"]) == ("succeeded", "complete", "paid")
    subscription = twin.subscription(paid["subscription"])
    assert (subscription["status"], subscription["metadata"]) == ("active", {"checkout": "c1"})
    twin.quiet()
    told = twin.receiver.types()
    assert told.index("customer.subscription.created") < told.index("invoice.paid")
    assert told.index("payment_intent.succeeded") < told.index("invoice.paid")
    assert told[-1] == "checkout.session.completed"
    assert {"invoice.created", "invoice.finalized", "invoice_payment.paid", "customer.subscription.updated"} <= set(
        told
    )
    invoice = twin.receiver.of_type("invoice.paid")[0]["data"]["object"]
    assert invoice["parent"]["subscription_details"]["metadata"] == {"checkout": "c1"}
    assert (invoice["amount_paid"], invoice["billing_reason"]) == (1900, "subscription_create")


def test_the_sdk_reads_a_session_with_its_line_items_and_its_url(twin: Bench) -> None:
    session = twin.session()
    found = twin.stripe.v1.checkout.sessions.retrieve(session["id"], {"expand": ["line_items.data.price.product"]})
    assert found.url == f"{twin.url}/checkout/{session['id']}"
    assert found.line_items is not None
    assert found.line_items.data[0].price.product.name == "A plan"  # type: ignore[union-attr]
    page = twin.stripe.v1.checkout.sessions.line_items.list(session["id"])
    assert [item.amount_total for item in page.data] == [1900]


def test_a_one_time_payment_leaves_a_charged_intent_with_its_metadata(twin: Bench) -> None:
    session = twin.session(twin.price(5000, None), payment_intent_data={"metadata": {"order": "7"}})
    paid = twin.pay(session)
    intent = twin.stripe.v1.payment_intents.retrieve(paid["payment_intent"], {"expand": ["latest_charge"]})
    assert (intent.status, intent.amount_received, intent.metadata["order"]) == ("succeeded", 5000, "7")
    assert intent.latest_charge.paid is True  # type: ignore[union-attr]
    twin.quiet()
    assert "customer.subscription.created" not in twin.receiver.types()


def test_a_declined_card_leaves_the_session_open_and_another_card_pays_it(twin: Bench) -> None:
    session = twin.session()
    refused = twin.pay(session, "declined")
    assert (refused["outcome"], refused["status"], refused["payment_status"]) == ("declined", "open", "unpaid")
    assert refused["error"]["decline_code"] == "generic_decline"

    paid = twin.pay(session, "ok")

    assert paid["payment_intent"] == refused["payment_intent"]
    twin.quiet()
    told = twin.receiver.types()
    assert told.index("payment_intent.payment_failed") < told.index("payment_intent.succeeded")
    assert told.count("checkout.session.completed") == 1
    failed = twin.receiver.of_type("payment_intent.payment_failed")[0]["data"]["object"]
    assert failed["last_payment_error"]["code"] == "card_declined"


@pytest.mark.parametrize("interval", [None, "month"])
def test_a_3ds_card_pays_only_after_the_buyer_confirmed(twin: Bench, interval: str | None) -> None:
    session = twin.session(twin.price(interval=interval))
    asked = twin.pay(session, "3ds")
    assert (asked["outcome"], asked["status"]) == ("requires_action", "open")
    confirmed = twin.control(f"checkout/{session['id']}/confirm", outcome="ok")
    assert (confirmed["outcome"], confirmed["payment_status"]) == ("succeeded", "paid")
    twin.quiet()
    assert "payment_intent.requires_action" in twin.receiver.types()


def test_paying_again_with_the_3ds_card_confirms_it(twin: Bench) -> None:
    session = twin.session()
    assert twin.pay(session, "3ds")["outcome"] == "requires_action"
    assert twin.pay(session, "3ds")["outcome"] == "succeeded"


def test_a_refused_3ds_question_is_a_decline(twin: Bench) -> None:
    session = twin.session()
    twin.pay(session, "3ds")
    refused = twin.control(f"checkout/{session['id']}/confirm", outcome="fail")
    assert (refused["outcome"], refused["status"]) == ("declined", "open")
    assert refused["error"]["code"] == "authentication_required"


@pytest.mark.parametrize("interval", [None, "month"])
def test_a_delayed_payment_completes_unpaid_and_comes_a_day_later(twin: Bench, interval: str | None) -> None:
    paid = twin.pay(twin.session(twin.price(interval=interval)), "delayed")
    assert (paid["outcome"], paid["status"], paid["payment_status"]) == ("processing", "complete", "unpaid")
    twin.quiet()
    assert "checkout.session.async_payment_succeeded" not in twin.receiver.types()

    twin.advance(DAY)

    twin.quiet()
    session = twin.receiver.of_type("checkout.session.async_payment_succeeded")[0]["data"]["object"]
    assert session["payment_status"] == "paid"
    assert ("invoice.paid" in twin.receiver.types()) is (interval is not None)


@pytest.mark.parametrize("interval", [None, "month"])
def test_a_delayed_payment_that_bounces_fails_a_day_later(twin: Bench, interval: str | None) -> None:
    paid = twin.pay(twin.session(twin.price(interval=interval)), "delayed_fails")
    twin.advance(DAY)
    twin.quiet()
    assert "checkout.session.async_payment_failed" in twin.receiver.types()
    assert twin.stripe.v1.checkout.sessions.retrieve(paid["session"]).payment_status == "unpaid"
    if paid["subscription"]:
        assert twin.subscription(paid["subscription"])["status"] == "canceled"


def test_a_delayed_payment_can_be_settled_before_its_day(twin: Bench) -> None:
    paid = twin.pay(twin.session(twin.price(interval=None)), "delayed")
    twin.control(f"payments/{paid['payment_intent']}/settle")
    twin.advance(2 * DAY)
    twin.quiet()
    assert twin.receiver.types().count("payment_intent.succeeded") == 1


def test_an_expired_session_takes_no_money(twin: Bench) -> None:
    session = twin.session()
    assert twin.stripe.v1.checkout.sessions.expire(session["id"]).status == "expired"
    response = twin.http.post(f"{twin.url}/_control/checkout/{session['id']}/pay", json={"card": "ok"})
    assert response.status_code == 400
    with pytest.raises(stripe.InvalidRequestError):
        twin.stripe.v1.checkout.sessions.expire(session["id"])
    twin.quiet()
    assert twin.receiver.types().count("checkout.session.expired") == 1


def test_a_session_expires_after_a_day_by_the_clock(twin: Bench) -> None:
    session = twin.session()
    twin.advance(DAY - 60)
    assert twin.stripe.v1.checkout.sessions.retrieve(session["id"]).status == "open"
    twin.advance(60)
    assert twin.stripe.v1.checkout.sessions.retrieve(session["id"]).status == "expired"


def test_a_trial_asks_for_no_money_until_it_ends(twin: Bench) -> None:
    paid = twin.pay(twin.session(subscription_data={"trial_period_days": 14}))
    assert paid["payment_status"] == "no_payment_required"
    subscription = twin.subscription(paid["subscription"])
    assert subscription["status"] == "trialing"
    twin.advance(11 * DAY)
    twin.quiet()
    assert "customer.subscription.trial_will_end" in twin.receiver.types()
    twin.advance(3 * DAY)
    assert twin.subscription(subscription["id"])["status"] == "active"
    assert [invoice["amount_paid"] for invoice in twin.invoices(subscription)] == [0, 1900]


def test_a_coupon_given_with_the_session_lowers_the_first_invoice(twin: Bench) -> None:
    coupon = twin.stripe.v1.coupons.create({"percent_off": 33.3, "duration": "once"})
    session = twin.session(discounts=[{"coupon": coupon.id}])
    assert (session["amount_subtotal"], session["amount_total"]) == (1900, 1267)
    subscription = twin.subscription(twin.pay(session)["subscription"])
    twin.advance(31 * DAY)
    first, second = twin.invoices(subscription)
    assert (first["amount_paid"], first["total_discount_amounts"][0]["amount"], second["amount_paid"]) == (
        1267,
        633,
        1900,
    )
    assert twin.stripe.v1.coupons.retrieve(coupon.id).times_redeemed == 1


def test_a_repeating_coupon_ends_after_its_months(twin: Bench) -> None:
    coupon = twin.stripe.v1.coupons.create(
        {"amount_off": 900, "currency": "usd", "duration": "repeating", "duration_in_months": 2}
    )
    subscription = twin.subscribe(discounts=[{"coupon": coupon.id}])
    for _ in range(3):
        twin.advance(31 * DAY)
    assert [invoice["amount_paid"] for invoice in twin.invoices(subscription)][:3] == [1000, 1000, 1900]


def test_a_free_checkout_needs_no_payment(twin: Bench) -> None:
    coupon = twin.stripe.v1.coupons.create({"percent_off": 100, "duration": "once"})
    paid = twin.pay(twin.session(twin.price(500, None), discounts=[{"coupon": coupon.id}]))
    assert (paid["payment_status"], paid["payment_intent"]) == ("no_payment_required", None)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"mode": "setup"}, "mode"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"customer": "cus_nobody"}, "customer"),
        ({"line_items": [{"price": "price_nothing", "quantity": 1}]}, "line_items[0][price]"),
        ({"expires_at": 1}, "expires_at"),
        ({"payment_intent_data": {"metadata": {"a": "b"}}}, "payment_intent_data"),
        ({"automatic_tax": {"enabled": True}}, "automatic_tax"),
        ({"metadata": {"k" * 41: "x"}}, "metadata"),
        ({"discounts": [{"coupon": "none"}]}, "discounts[0][coupon]"),
    ],
)
def test_a_session_that_cannot_be_is_refused_naming_the_parameter(twin: Bench, change: dict, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        twin.session(**change)
    assert refused.value.param == param


def test_an_inactive_price_cannot_be_sold(twin: Bench) -> None:
    price = twin.price()
    twin.stripe.v1.prices.update(price["id"], {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        twin.session(price)


def test_a_lookup_key_moves_to_the_new_price_only_when_asked(twin: Bench) -> None:
    old = twin.price(lookup_key="creator_month")
    with pytest.raises(stripe.InvalidRequestError, match="lookup key"):
        twin.price(2900, lookup_key="creator_month")
    new = twin.price(2900, lookup_key="creator_month", transfer_lookup_key=True)
    found = twin.stripe.v1.prices.list({"lookup_keys": ["creator_month"], "expand": ["data.product"]})
    assert [price.id for price in found.data] == [new["id"]]
    assert twin.stripe.v1.prices.retrieve(old["id"]).lookup_key is None


def test_yen_and_dinar_checkouts_keep_their_minor_units(twin: Bench) -> None:
    for currency, amount in (("jpy", 500), ("kwd", 12345)):
        paid = twin.pay(twin.session(twin.price(amount, None, currency)))
        intent = twin.stripe.v1.payment_intents.retrieve(paid["payment_intent"])
        assert (intent.currency, intent.amount_received) == (currency, amount)


def _trial_without_card(behavior: str) -> dict:
    ends = {"end_behavior": {"missing_payment_method": behavior}}
    data = {"trial_period_days": 7, "trial_settings": ends}
    return {"subscription_data": data, "payment_method_collection": "if_required"}


@pytest.mark.parametrize(("behavior", "status"), [("cancel", "canceled"), ("create_invoice", "past_due")])
def test_a_trial_begun_without_a_card_ends_as_its_settings_say(twin: Bench, behavior: str, status: str) -> None:
    subscription = twin.subscribe("none", **_trial_without_card(behavior))
    assert (subscription["status"], subscription["default_payment_method"]) == ("trialing", None)
    twin.advance(8 * DAY)
    assert twin.subscription(subscription["id"])["status"] == status


def test_a_checkout_that_costs_something_or_wants_a_card_is_not_begun_without_one(twin: Bench) -> None:
    for more in ({}, {"subscription_data": {"trial_period_days": 7}}, {"payment_method_collection": "if_required"}):
        session = twin.session(customer=twin.customer()["id"], **more)
        answer = twin.http.post(f"{twin.url}/_control/checkout/{session['id']}/pay", json={"card": "none"})
        assert answer.status_code == 400
    with pytest.raises(stripe.InvalidRequestError):
        twin.session(twin.price(500, None), payment_method_collection="if_required")


def test_a_single_payment_gets_an_invoice_when_it_asks_for_one(twin: Bench) -> None:
    asked = {"enabled": True, "invoice_data": {"metadata": {"checkout": "c1"}}}
    session = twin.session(twin.price(900, None), invoice_creation=asked)
    assert session["invoice"] is None
    twin.pay(session)
    paid = twin.stripe.v1.checkout.sessions.retrieve(session["id"])
    invoice = twin.stripe.v1.invoices.retrieve(str(paid.invoice)).to_dict()
    assert (invoice["status"], invoice["total"], invoice["amount_paid"]) == ("paid", session["amount_total"], 900)
    assert (invoice["metadata"], invoice["billing_reason"], invoice["parent"]) == ({"checkout": "c1"}, "manual", None)
    twin.quiet()
    told = twin.receiver.types()
    assert (
        told.index("payment_intent.succeeded") < told.index("invoice.paid") < told.index("checkout.session.completed")
    )


def test_a_single_payment_without_asking_has_no_invoice(twin: Bench) -> None:
    session = twin.session(twin.price(900, None))
    twin.pay(session)
    assert twin.stripe.v1.checkout.sessions.retrieve(session["id"]).invoice is None


def test_a_single_payment_below_the_smallest_charge_is_refused(twin: Bench) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        twin.session(twin.price(49, None))
    assert refused.value.code == "amount_too_small"
