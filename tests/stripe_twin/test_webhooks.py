"""Webhooks out: signed, repeated until accepted, and disturbed on demand."""

import json
import time

import pytest
import stripe

from deploy.stripe_twin.outbound import sign
from tests.stripe_twin.bench import Bench, wait_until


def test_the_signature_is_the_one_the_sdk_makes_and_verifies() -> None:
    now = int(time.time())
    ours = sign('{"a": 1}', "whsec_x", now)
    assert ours == stripe.WebhookSignature.generate_signature_header('{"a": 1}', "whsec_x", now)
    stripe.WebhookSignature.verify_header('{"a": 1}', ours, "whsec_x", 300)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header('{"a": 2}', ours, "whsec_x", 300)


def test_signatures_are_of_wall_time_however_far_the_clock_is_ahead(twin: Bench) -> None:
    twin.advance(400 * 86_400)
    twin.customer()
    twin.receiver.wait_for("customer.created")
    assert twin.receiver.events[0]["created"] > time.time() + 300 * 86_400


def test_events_arrive_in_order_and_are_the_ones_the_api_lists(twin: Bench) -> None:
    twin.subscribe()
    twin.quiet()
    listed = twin.stripe.v1.events.list({"limit": 100}).to_dict()["data"]
    assert [event["id"] for event in listed][::-1] == [event["id"] for event in twin.receiver.events]
    one = twin.stripe.v1.events.retrieve(listed[0]["id"]).to_dict()
    assert (one, one["pending_webhooks"]) == (listed[0], 0)


def test_an_update_tells_what_it_was_before(twin: Bench) -> None:
    customer = twin.customer()
    twin.stripe.v1.customers.update(customer["id"], {"email": "new@example.com"}, {"idempotency_key": "op-1"})
    twin.receiver.wait_for("customer.updated")
    event = twin.receiver.of_type("customer.updated")[0]
    assert event["data"]["previous_attributes"] == {"email": "ada@example.com"}
    assert event["request"]["idempotency_key"] == "op-1"


def test_a_refused_event_is_delivered_again(twin: Bench) -> None:
    twin.receiver.answer_with = [500, 302]
    customer = twin.customer()
    twin.quiet()
    assert twin.receiver.refusals == 2
    assert [event["data"]["object"]["id"] for event in twin.receiver.events] == [customer["id"]]


def test_a_refused_event_does_not_hold_up_the_others(twin: Bench) -> None:
    twin.receiver.answer_with = [500]
    twin.customer()
    twin.stripe.v1.products.create({"name": "x"})
    twin.quiet()
    assert twin.receiver.types() == ["product.created", "customer.created"]


def test_deliveries_can_be_stopped_and_go_on(twin: Bench) -> None:
    twin.control("delivery", stop=True)
    twin.customer()
    event = twin.stripe.v1.events.list().data[0]
    assert event.pending_webhooks == 1
    assert [each.id for each in twin.stripe.v1.events.list({"delivery_success": False}).data] == [event.id]
    assert twin.receiver.events == []
    twin.control("delivery", stop=False)
    twin.quiet()
    assert twin.receiver.types() == ["customer.created"]


def test_duplicates_are_the_same_event(twin: Bench) -> None:
    twin.control("delivery", duplicate=2)
    twin.customer()
    wait_until(lambda: len(twin.receiver.events) == 3, "three copies")
    assert len({json.dumps(event) for event in twin.receiver.events}) == 1


def test_dropped_events_never_arrive_until_resent(twin: Bench) -> None:
    assert twin.control("delivery", drop=1)["drop"] == 1
    twin.customer()
    twin.stripe.v1.products.create({"name": "x"})
    twin.receiver.wait_for("product.created")
    assert twin.receiver.types() == ["product.created"]
    lost = twin.stripe.v1.events.list({"delivery_success": False}).data
    assert [event.type for event in lost] == ["customer.created"]
    twin.control(f"events/{lost[0].id}/resend")
    twin.receiver.wait_for("customer.created")


def test_events_of_one_type_can_be_dropped(twin: Bench) -> None:
    twin.control("delivery", drop=["customer.created"])
    twin.customer()
    twin.stripe.v1.products.create({"name": "x"})
    twin.receiver.wait_for("product.created")
    assert twin.receiver.types() == ["product.created"]


def test_shuffled_events_all_arrive(twin: Bench) -> None:
    twin.control("delivery", shuffle=True)
    for number in range(12):
        twin.customer(description=str(number))
    twin.quiet()
    order = [int(event["data"]["object"]["description"]) for event in twin.receiver.events]
    assert sorted(order) == list(range(12))
    assert order != sorted(order)


def test_a_delay_holds_events_back(twin: Bench) -> None:
    twin.control("delivery", delay_ms=300)
    started = time.monotonic()
    twin.customer()
    twin.receiver.wait_for("customer.created")
    assert time.monotonic() - started >= 0.29


def test_events_are_listed_by_type_and_wildcard(twin: Bench) -> None:
    twin.subscribe()
    kinds = {event.type for event in twin.stripe.v1.events.list({"type": "invoice.*", "limit": 100}).data}
    assert kinds == {"invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded"}
    two = twin.stripe.v1.events.list({"types": ["price.created", "customer.created"]}).data
    assert sorted(event.type for event in two) == ["customer.created", "price.created"]


def test_an_endpoint_of_its_own_gets_only_what_it_asked_for(twin: Bench) -> None:
    endpoint = twin.stripe.v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/unreachable", "enabled_events": ["product.created"]}
    )
    assert str(endpoint.secret).startswith("whsec_")
    again = twin.stripe.v1.webhook_endpoints.retrieve(endpoint.id)
    assert "secret" not in again.to_dict()
    twin.customer()
    twin.receiver.wait_for("customer.created")
    twin.stripe.v1.products.create({"name": "x"})
    twin.receiver.wait_for("product.created")
    waiting = twin.stripe.v1.events.list({"delivery_success": False}).data
    assert [event.type for event in waiting] == ["product.created"]
    updated = twin.stripe.v1.webhook_endpoints.update(endpoint.id, {"disabled": True, "enabled_events": ["*"]})
    assert (updated.status, updated.enabled_events) == ("disabled", ["*"])
    assert twin.stripe.v1.webhook_endpoints.delete(endpoint.id).deleted is True
    assert len(twin.stripe.v1.webhook_endpoints.list().data) == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("delivery", {"shuffel": True}, 400),
        ("delivery", {"delay_ms": -1}, 400),
        ("clock/advance", {"seconds": -5}, 400),
        ("clock/advance", {"seconds": "soon"}, 400),
        ("clock/advance", {}, 400),
        ("clock/advance", {"seconds": 1e12}, 400),
        ("faults", {"method": "GET", "path": "/v1/x", "kind": "meteor", "times": 1}, 400),
        ("events/evt_none/resend", {}, 404),
        ("checkout/cs_none/pay", {"card": "ok"}, 404),
        ("payments/pi_none/dispute", {}, 404),
        ("payments/pi_none/frobnicate", {}, 404),
        ("refunds/re_none/fail", {}, 404),
        ("customers/cus_none/card", {"card": "ok"}, 404),
    ],
)
def test_bad_controls_are_refused(twin: Bench, path: str, body: dict, status: int) -> None:
    answer = twin.http.post(f"{twin.url}/_control/{path}", json=body)
    assert (answer.status_code, "error" in answer.json()) == (status, True)


def test_controls_need_json_of_a_decent_size(twin: Bench) -> None:
    for body, status in ((b"{", 400), (b"[]", 400), (b"\xff", 400), (b"x" * 200_000, 413)):
        assert twin.http.post(f"{twin.url}/_control/delivery", content=body).status_code == status


def test_a_reset_empties_everything_but_the_configured_endpoint(twin: Bench) -> None:
    twin.subscribe()
    twin.control("delivery", stop=True)
    twin.control("reset")
    assert twin.stripe.v1.customers.list().data == []
    assert twin.stripe.v1.events.list().data == []
    assert twin.control("delivery")["stop"] is False
    assert len(twin.stripe.v1.webhook_endpoints.list().data) == 1
