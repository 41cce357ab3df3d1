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
