"""The pages, as a browser without scripts uses them: forms posted, redirects followed by hand."""

import re
from urllib.parse import urlsplit

import httpx
import pytest

from tests.stripe_twin.bench import Bench


def _post(twin: Bench, url: str, origin: str | None = "same", **fields: str) -> httpx.Response:
    own = f"http://{urlsplit(url).netloc}"
    headers = {} if origin is None else {"origin": own if origin == "same" else origin}
    return twin.http.post(url, data=fields, headers=headers)


def test_the_page_shows_what_is_bought_and_a_button_per_card(twin: Bench) -> None:
    page = twin.http.get(twin.session()["url"])
    assert page.status_code == 200
    assert "19.00 USD" in page.text
    assert "A plan" in page.text
    assert {"ok", "declined", "3ds", "delayed"} <= set(re.findall(r'name="card" value="(\w+)"', page.text))
    assert "http://127.0.0.1/back" in page.text
    assert "script-src" not in page.headers["content-security-policy"]


def test_paying_redirects_to_the_shop_with_the_session_id(twin: Bench) -> None:
    session = twin.session()
    answer = _post(twin, session["url"], card="ok")
    assert (answer.status_code, answer.headers["location"]) == (303, f"http://127.0.0.1/done?session={session['id']}")
    assert "complete" in twin.http.get(session["url"]).text


def test_a_decline_is_told_on_the_page_and_recorded(twin: Bench) -> None:
    session = twin.session()
    answer = _post(twin, session["url"], card="declined")
    assert (answer.status_code, "Your card was declined." in answer.text) == (402, True)
    twin.receiver.wait_for("payment_intent.payment_failed")


def test_the_3ds_page_asks_and_then_pays(twin: Bench) -> None:
    session = twin.session()
    asked = _post(twin, session["url"], card="3ds")
    assert 'name="confirm" value="ok"' in asked.text
    assert 'name="card"' not in asked.text
    assert _post(twin, session["url"], confirm="ok").status_code == 303


def test_a_promotion_code_is_entered_on_the_page(twin: Bench) -> None:
    coupon = twin.stripe.v1.coupons.create({"percent_off": 50, "duration": "once"})
    twin.stripe.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "FRIEND"})
    session = twin.session(allow_promotion_codes=True)
    assert "This code is invalid." in _post(twin, session["url"], code="NOBODY").text
    assert "9.50 USD" in _post(twin, session["url"], code="friend").text
    _post(twin, session["url"], card="ok")
    assert twin.stripe.v1.checkout.sessions.retrieve(session["id"]).amount_total == 950


def test_text_from_outside_is_escaped(twin: Bench) -> None:
    price = twin.price(product_data={"name": "<script>alert(1)</script>"})
    page = twin.http.get(twin.session(price)["url"]).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_portal_cancels_resumes_and_changes_the_card(twin: Bench) -> None:
    subscription = twin.subscribe()
    portal = twin.stripe.v1.billing_portal.sessions.create(
        {"customer": subscription["customer"], "return_url": "http://127.0.0.1/account"}
    )
    assert "http://127.0.0.1/account" in twin.http.get(portal.url).text
    _post(twin, portal.url, subscription=subscription["id"], action="cancel")
    assert twin.subscription(subscription["id"])["cancel_at_period_end"] is True
    _post(twin, portal.url, subscription=subscription["id"], action="resume")
    assert twin.subscription(subscription["id"])["cancel_at_period_end"] is False
    _post(twin, portal.url, card="renewal_fails")
    assert twin.subscription(subscription["id"])["default_payment_method"] != subscription["default_payment_method"]
    _post(twin, portal.url, subscription=subscription["id"], action="cancel_now")
    assert twin.subscription(subscription["id"])["status"] == "canceled"


def test_the_portal_of_one_customer_shows_nothing_of_another(twin: Bench) -> None:
    mine, theirs = twin.subscribe(), twin.subscribe()
    portal = twin.stripe.v1.billing_portal.sessions.create({"customer": mine["customer"]})
    assert theirs["id"] not in twin.http.get(portal.url).text
    answer = _post(twin, portal.url, subscription=theirs["id"], action="cancel_now")
    assert "no such subscription" in answer.text
    assert twin.subscription(theirs["id"])["status"] == "active"


def test_an_open_invoice_is_paid_on_its_page(twin: Bench) -> None:
    subscription = twin.subscribe("renewal_fails")
    twin.advance(31 * 86_400)
    invoice = twin.invoices(subscription)[1]
    assert "declined" in _post(twin, invoice["hosted_invoice_url"], pay="yes").text
    twin.control(f"customers/{subscription['customer']}/card", card="ok")
    assert "is paid" in _post(twin, invoice["hosted_invoice_url"], pay="yes").text


def test_the_front_page_tells_the_time_and_the_last_events(twin: Bench) -> None:
    twin.customer()
    assert "customer.created" in twin.http.get(twin.url).text
    assert twin.http.get(f"{twin.url}/").status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_another_sites_page_presses_no_button(twin: Bench, origin: str) -> None:
    session = twin.session()
    portal = twin.stripe.v1.billing_portal.sessions.create({"customer": twin.customer()["id"]})
    for url in (session["url"], portal.url, f"{twin.url}/_control/reset"):
        assert _post(twin, url, origin, card="ok").status_code == 403
    assert twin.stripe.v1.checkout.sessions.retrieve(session["id"]).status == "open"


def test_a_form_without_an_origin_is_accepted(twin: Bench) -> None:
    assert _post(twin, twin.session()["url"], None, card="ok").status_code == 303


@pytest.mark.parametrize("path", ["checkout/cs_test_none", "portal/bps_none", "invoice/in_none"])
def test_a_page_of_nothing_is_not_found(twin: Bench, path: str) -> None:
    answer = twin.http.get(f"{twin.url}/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_broken_forms_are_refused(twin: Bench) -> None:
    url = twin.session()["url"]
    for body, status in ((b"card=%FF", 400), (b"card[=1", 400), (b"x" * 30_000, 413), (b"", 402)):
        assert twin.http.post(url, content=body).status_code == status
