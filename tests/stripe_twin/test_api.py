"""Stripe's conventions: idempotency keys, pages, expansion, errors, and what is not an API call at all."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import stripe

from tests.stripe_twin.bench import DAY, KEY, Bench


def _post(twin: Bench, path: str, form: str | bytes, **headers: str) -> httpx.Response:
    return twin.http.post(
        f"{twin.url}{path}",
        content=form,
        headers={
            "authorization": f"Bearer {KEY}",
            "content-type": "application/x-www-form-urlencoded",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )


def test_the_same_key_and_parameters_answer_the_same_object(twin: Bench) -> None:
    form = "email=ada%40example.com&metadata[a]=1"
    first = _post(twin, "/v1/customers", form, idempotency_key="k1")
    again = _post(twin, "/v1/customers", form, idempotency_key="k1")
    assert first.json() == again.json()
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert len(twin.stripe.v1.customers.list().data) == 1


def test_the_same_key_with_other_parameters_or_another_path_is_an_error(twin: Bench) -> None:
    options: stripe.RequestOptions = {"idempotency_key": "k1"}
    twin.stripe.v1.customers.create({"email": "ada@example.com"}, options)
    with pytest.raises(stripe.IdempotencyError):
        twin.stripe.v1.customers.create({"email": "bob@example.com"}, options)
    with pytest.raises(stripe.IdempotencyError):
        twin.stripe.v1.products.create({"name": "x"}, options)


def test_an_executed_refusal_is_replayed_and_an_invalid_request_is_not(twin: Bench) -> None:
    refusal = _post(twin, "/v1/refunds", "charge=ch_nothing", idempotency_key="k1")
    again = _post(twin, "/v1/refunds", "charge=ch_nothing", idempotency_key="k1")
    assert (refusal.status_code, again.status_code, again.headers["idempotent-replayed"]) == (404, 404, "true")
    assert _post(twin, "/v1/customers", "nonsense=1", idempotency_key="k2").status_code == 400
    assert _post(twin, "/v1/customers", "email=a", idempotency_key="k2").status_code == 200


def test_a_key_is_forgotten_after_a_day_by_the_clock(twin: Bench) -> None:
    first = _post(twin, "/v1/customers", "email=a", idempotency_key="k1").json()
    twin.advance(DAY - 1)
    assert _post(twin, "/v1/customers", "email=a", idempotency_key="k1").json() == first
    twin.advance(1)
    assert _post(twin, "/v1/customers", "email=a", idempotency_key="k1").json()["id"] != first["id"]


def test_calls_with_one_key_at_the_same_time_make_one_object(twin: Bench) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _post(twin, "/v1/customers", "email=a", idempotency_key="k1"), range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 409} <= {
        "idempotency_key_in_use"
    }
    assert len(twin.stripe.v1.customers.list().data) == 1


def test_a_key_too_long_is_refused(twin: Bench) -> None:
    assert _post(twin, "/v1/customers", "email=a", idempotency_key="k" * 256).status_code == 400


def test_lists_page_newest_first_in_both_directions(twin: Bench) -> None:
    ids = [twin.customer()["id"] for _ in range(5)][::-1]
    list_ = twin.stripe.v1.customers.list
    first = list_({"limit": 2})
    assert ([each.id for each in first.data], first.has_more, first.url) == (ids[:2], True, "/v1/customers")
    second = list_({"limit": 2, "starting_after": ids[1]})
    assert ([each.id for each in second.data], second.has_more) == (ids[2:4], True)
    last = list_({"limit": 2, "starting_after": ids[3]})
    assert ([each.id for each in last.data], last.has_more) == (ids[4:], False)
    back = list_({"limit": 2, "ending_before": ids[3]})
    assert ([each.id for each in back.data], back.has_more) == (ids[1:3], True)
    assert [each.id for each in list_({"limit": 2}).auto_paging_iter()] == ids


def test_lines_of_a_session_page_in_their_own_order(twin: Bench) -> None:
    items = [{"price": twin.price(100 + n, None)["id"], "quantity": 1} for n in range(4)]
    session = twin.session(twin.price(5, None), line_items=items)
    page = twin.stripe.v1.checkout.sessions.line_items.list(session["id"], {"limit": 3})
    assert ([item.amount_total for item in page.data], page.has_more) == ([100, 101, 102], True)
    rest = twin.stripe.v1.checkout.sessions.line_items.list(session["id"], {"starting_after": page.data[2].id})
    assert ([item.amount_total for item in rest.data], rest.has_more) == ([103], False)


def test_bad_pages_are_refused(twin: Bench) -> None:
    for params in ({"limit": 0}, {"limit": 101}, {"starting_after": "cus_nobody"}):
        with pytest.raises(stripe.InvalidRequestError):
            twin.stripe.v1.customers.list(params)  # type: ignore[arg-type]


def test_lists_filter_by_field_and_time(twin: Bench) -> None:
    early = twin.customer(email="early@example.com")
    twin.advance(100)
    late = twin.customer(email="late@example.com")
    list_ = twin.stripe.v1.customers.list
    assert [each.id for each in list_({"email": "early@example.com"}).data] == [early["id"]]
    assert [each.id for each in list_({"created": {"gt": early["created"]}}).data] == [late["id"]]
    assert [each.id for each in list_({"created": early["created"]}).data] == [early["id"]]


def test_expand_reaches_through_objects_and_lists(twin: Bench) -> None:
    subscription = twin.subscribe()
    found = twin.stripe.v1.subscriptions.retrieve(
        subscription["id"], {"expand": ["customer", "latest_invoice.payments.data.payment.payment_intent"]}
    ).to_dict()
    assert found["customer"]["email"] == "ada@example.com"
    payment = found["latest_invoice"]["payments"]["data"][0]
    assert payment["payment"]["payment_intent"]["status"] == "succeeded"
    listed = twin.stripe.v1.subscriptions.list({"expand": ["data.customer", "data.items.data.price.product"]}).to_dict()
    assert listed["data"][0]["items"]["data"][0]["price"]["product"]["name"] == "A plan"
    assert subscription["customer"] == listed["data"][0]["customer"]["id"]


@pytest.mark.parametrize("path", ["email", "nothing", "invoice_settings", "a.b.c.d.e"])
def test_what_cannot_be_expanded_is_refused(twin: Bench, path: str) -> None:
    customer = twin.customer()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        twin.stripe.v1.customers.retrieve(customer["id"], {"expand": [path]})
    assert refused.value.param == "expand"


def test_the_key_must_look_like_a_test_key(twin: Bench) -> None:
    for header in ({}, {"authorization": "Bearer sk_live_123"}, {"authorization": "Basic x"}):
        answer = twin.http.get(f"{twin.url}/v1/customers", headers=header)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")


def test_unknown_things_have_stripes_errors(twin: Bench) -> None:
    with pytest.raises(stripe.InvalidRequestError) as missing:
        twin.stripe.v1.customers.retrieve("cus_nobody")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    assert str(missing.value.user_message) == "No such customer: 'cus_nobody'"
    answer = twin.http.get(f"{twin.url}/v1/unicorns", headers={"authorization": f"Bearer {KEY}"})
    assert (answer.status_code, "Unrecognized request URL" in answer.text) == (404, True)
    assert answer.headers["request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ("emial=x", "parameter_unknown", "emial"),
        ("address[zip]=1", "parameter_unknown", "address[zip]"),
        ("balance=ten", "parameter_invalid_integer", "balance"),
        ("tax_id_data[0][type]=eu_vat&tax_id_data[0][value]=1", "parameter_unsupported", "tax_id_data"),
        ("metadata=x", None, "metadata"),
        ("metadata[a]=1&metadata[a][b]=2", None, "metadata[a][b]"),
        ("metadata[a=1", None, "metadata[a"),
        ("email=%FF", None, None),
        (b"email=\xff", None, None),
        ("email=%00", None, "email"),
        ("a[b][c][d][e][f][g][h][i]=1", None, "a[b][c][d][e][f][g][h][i]"),
        ("&".join(f"metadata[{n}]=1" for n in range(51)), None, "metadata"),
    ],
)
def test_bad_forms_are_refused_and_name_the_parameter(
    twin: Bench, form: str | bytes, code: str | None, param: str | None
) -> None:
    answer = _post(twin, "/v1/customers", form)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error.get("param")) == (400, code, param)
    assert twin.stripe.v1.customers.list().data == []


def test_a_body_too_large_is_refused(twin: Bench) -> None:
    assert _post(twin, "/v1/customers", b"email=" + b"x" * 1_100_000).status_code == 413


def test_another_api_version_is_refused(twin: Bench) -> None:
    assert _post(twin, "/v1/customers", "email=a", stripe_version="2020-08-27").status_code == 400


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after", "reset", "429", "500", "409"])
def test_a_fault_hits_so_many_calls_and_a_retry_with_the_key_makes_one_object(twin: Bench, kind: str) -> None:
    twin.control("faults", method="POST", path="/v1/customers", kind=kind, times=1)
    http = stripe.HTTPXClient(timeout=1, allow_sync_methods=True)
    impatient = stripe.StripeClient(KEY, base_addresses={"api": twin.url}, http_client=http)
    started = time.monotonic()
    with pytest.raises(stripe.StripeError):
        impatient.v1.customers.create({"email": "a"}, {"idempotency_key": "k1"})
    assert time.monotonic() - started < 5
    made = len(twin.stripe.v1.customers.list().data)
    assert made == (1 if kind in ("timeout_after", "reset") else 0)
    impatient.v1.customers.create({"email": "a"}, {"idempotency_key": "k1"})
    assert len(twin.stripe.v1.customers.list().data) == 1
    http.close()


def test_the_sdks_own_retries_get_over_a_fault(twin: Bench) -> None:
    twin.control("faults", method="POST", path="/twin/stripe/v1/cust*", kind="500", times=2)
    http = stripe.HTTPXClient(timeout=5, allow_sync_methods=True)
    patient = stripe.StripeClient(KEY, base_addresses={"api": twin.url}, http_client=http, max_network_retries=2)
    patient.v1.customers.create({"email": "a"})
    http.close()
    assert len(twin.stripe.v1.customers.list().data) == 1


def test_promotion_codes_are_limited_to_whom_and_how_often(twin: Bench) -> None:
    coupon = twin.stripe.v1.coupons.create({"percent_off": 50, "duration": "forever", "id": "HALF"})
    code = twin.stripe.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "FRIEND", "max_redemptions": 1}
    )
    assert [each.id for each in twin.stripe.v1.promotion_codes.list({"code": "FRIEND"}).data] == [code.id]
    twin.pay(twin.session(discounts=[{"promotion_code": code.id}]))
    with pytest.raises(stripe.InvalidRequestError, match="maximum"):
        twin.session(discounts=[{"promotion_code": code.id}])
    twin.stripe.v1.promotion_codes.update(code.id, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="not active"):
        twin.session(discounts=[{"promotion_code": code.id}])


def test_the_catalogue_is_created_changed_listed_and_deleted(twin: Bench) -> None:
    product = twin.stripe.v1.products.create({"name": "Creator", "id": "creator", "metadata": {"plan": "creator"}})
    with pytest.raises(stripe.InvalidRequestError):
        twin.stripe.v1.products.create({"name": "Creator", "id": "creator"})
    assert twin.stripe.v1.products.update("creator", {"active": False}).active is False
    assert twin.stripe.v1.products.list({"active": True}).data == []
    assert [each.id for each in twin.stripe.v1.products.list({"ids": ["creator"]}).data] == [product.id]
    assert twin.stripe.v1.products.delete("creator").deleted is True
    twin.stripe.v1.coupons.create({"percent_off": 10, "id": "TEN"})
    assert [each.id for each in twin.stripe.v1.coupons.list().data] == ["TEN"]
    assert twin.stripe.v1.coupons.delete("TEN").deleted is True
    twin.quiet()
    assert {"product.created", "product.updated", "product.deleted"} <= set(twin.receiver.types())


def test_saved_cards_are_listed_for_their_customer(twin: Bench) -> None:
    subscription = twin.subscribe()
    cards = twin.stripe.v1.customers.payment_methods.list(subscription["customer"])
    assert [card.card.last4 for card in cards.data] == ["4242"]  # type: ignore[union-attr]
    same = twin.stripe.v1.payment_methods.list({"customer": subscription["customer"], "type": "card"})
    assert same.data[0].id == cards.data[0].id == subscription["default_payment_method"]
    assert twin.stripe.v1.payment_methods.retrieve(cards.data[0].id).customer == subscription["customer"]


def test_an_invoice_leads_to_its_payment_and_back(twin: Bench) -> None:
    subscription = twin.subscribe()
    payment = twin.stripe.v1.invoice_payments.list({"invoice": subscription["latest_invoice"]}).data[0]
    assert (payment.status, payment.amount_paid) == ("paid", 1900)
    intent = str(payment.payment.payment_intent)
    by_intent = twin.stripe.v1.invoice_payments.list({"payment": {"type": "payment_intent", "payment_intent": intent}})
    assert [each.invoice for each in by_intent.data] == [subscription["latest_invoice"]]
    assert twin.stripe.v1.invoice_payments.retrieve(payment.id).id == payment.id
    lines = twin.stripe.v1.invoices.line_items.list(subscription["latest_invoice"])
    assert [line.amount for line in lines.data] == [1900]
    assert [each.id for each in twin.stripe.v1.payment_intents.list({"customer": subscription["customer"]})] == [intent]


def test_an_intent_of_a_checkout_is_not_cancelled_behind_its_back(twin: Bench) -> None:
    paid = twin.pay(twin.session(twin.price(interval=None)), "declined")
    with pytest.raises(stripe.InvalidRequestError):
        twin.stripe.v1.payment_intents.cancel(paid["payment_intent"])
    twin.stripe.v1.checkout.sessions.expire(paid["session"])
    assert twin.stripe.v1.payment_intents.retrieve(paid["payment_intent"]).status == "canceled"
