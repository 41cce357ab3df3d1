"""Subscriptions through time: renewed, failed, recovered, changed, cancelled."""

from datetime import UTC, datetime

import pytest
import stripe

from deploy.stripe_twin.periods import period_end
from tests.stripe_twin.bench import DAY, Bench


def test_a_renewal_is_billed_when_the_month_is_over(twin: Bench) -> None:
    subscription = twin.subscribe()
    item = subscription["items"]["data"][0]
    twin.advance(31 * DAY)
    renewed = twin.subscription(subscription["id"])["items"]["data"][0]
    assert renewed["current_period_start"] == item["current_period_end"]
    first, second = twin.invoices(subscription)
    assert (second["billing_reason"], second["status"], second["amount_paid"]) == ("subscription_cycle", "paid", 1900)
    assert second["created"] == item["current_period_end"]
    assert first["number"] != second["number"]


def test_an_advance_of_a_year_renews_twelve_times_in_order(twin: Bench) -> None:
    subscription = twin.subscribe()
    twin.advance(366 * DAY)
    twin.quiet()
    invoices = twin.invoices(subscription)
    assert len(invoices) == 13
    created = [event["created"] for event in twin.receiver.events]
    assert created == sorted(created)


def test_an_annual_price_renews_after_a_year(twin: Bench) -> None:
    subscription = twin.subscribe(price=twin.price(19000, "year"))
    twin.advance(364 * DAY)
    assert len(twin.invoices(subscription)) == 1
    twin.advance(2 * DAY)
    assert len(twin.invoices(subscription)) == 2


def test_a_failing_renewal_is_past_due_retried_and_then_cancelled(twin: Bench) -> None:
    subscription = twin.subscribe("renewal_fails")
    twin.advance(31 * DAY)
    assert twin.subscription(subscription["id"])["status"] == "past_due"
    invoice = twin.invoices(subscription)[1]
    assert (invoice["status"], invoice["attempt_count"]) == ("open", 1)
    assert invoice["next_payment_attempt"] == invoice["created"] + 3 * DAY
    twin.advance(3 * DAY)
    assert twin.invoices(subscription)[1]["attempt_count"] == 2
    twin.advance(12 * DAY)
    ended = twin.subscription(subscription["id"])
    assert (ended["status"], ended["cancellation_details"]["reason"]) == ("canceled", "payment_failed")
    twin.quiet()
    assert twin.receiver.types().count("invoice.payment_failed") == 4
    assert twin.receiver.types().count("customer.subscription.deleted") == 1


def test_a_new_card_recovers_a_past_due_subscription_at_the_next_retry(twin: Bench) -> None:
    subscription = twin.subscribe("renewal_fails")
    twin.advance(31 * DAY)
    twin.control(f"customers/{subscription['customer']}/card", card="ok")
    twin.advance(3 * DAY)
    assert twin.subscription(subscription["id"])["status"] == "active"
    assert twin.invoices(subscription)[1]["status"] == "paid"


def test_an_open_invoice_is_paid_by_hand_or_refused_as_a_card_error(twin: Bench) -> None:
    subscription = twin.subscribe("renewal_fails")
    twin.advance(31 * DAY)
    invoice = twin.invoices(subscription)[1]
    with pytest.raises(stripe.CardError) as refused:
        twin.stripe.v1.invoices.pay(invoice["id"])
    assert refused.value.code == "card_declined"
    assert twin.invoices(subscription)[1]["attempt_count"] == 2
    method = twin.control(f"customers/{subscription['customer']}/card", card="ok")
    paid = twin.stripe.v1.invoices.pay(invoice["id"], {"payment_method": method["id"]})
    assert paid.status == "paid"
    assert twin.subscription(subscription["id"])["status"] == "active"


def test_a_renewal_that_needs_the_buyer_says_so(twin: Bench) -> None:
    twin.subscribe("renewal_3ds")
    twin.advance(31 * DAY)
    twin.quiet()
    assert "invoice.payment_action_required" in twin.receiver.types()


def test_a_voided_invoice_is_not_retried(twin: Bench) -> None:
    subscription = twin.subscribe("renewal_fails")
    twin.advance(31 * DAY)
    invoice = twin.invoices(subscription)[1]
    assert twin.stripe.v1.invoices.void_invoice(invoice["id"]).status == "void"
    twin.advance(5 * DAY)
    assert twin.invoices(subscription)[1]["attempt_count"] == 1


def test_a_cancellation_at_period_end_can_be_undone(twin: Bench) -> None:
    subscription = twin.subscribe()
    planned = twin.stripe.v1.subscriptions.update(subscription["id"], {"cancel_at_period_end": True})
    assert planned.cancel_at == planned.items.data[0].current_period_end  # type: ignore[union-attr]
    undone = twin.stripe.v1.subscriptions.update(subscription["id"], {"cancel_at_period_end": False})
    assert (undone.cancel_at, undone.canceled_at) == (None, None)
    twin.advance(31 * DAY)
    assert twin.subscription(subscription["id"])["status"] == "active"


def test_a_planned_cancellation_ends_at_the_period_end_without_a_renewal(twin: Bench) -> None:
    subscription = twin.subscribe()
    twin.stripe.v1.subscriptions.update(subscription["id"], {"cancel_at_period_end": True})
    twin.advance(31 * DAY)
    ended = twin.subscription(subscription["id"])
    assert (ended["status"], ended["ended_at"]) == ("canceled", subscription["items"]["data"][0]["current_period_end"])
    assert len(twin.invoices(subscription)) == 1
    assert twin.stripe.v1.subscriptions.list({"customer": subscription["customer"]}).data == []
    assert len(twin.stripe.v1.subscriptions.list({"customer": subscription["customer"], "status": "all"}).data) == 1


def test_a_cancellation_at_once_ends_at_once_and_only_once(twin: Bench) -> None:
    subscription = twin.subscribe()
    ended = twin.stripe.v1.subscriptions.cancel(subscription["id"], {"cancellation_details": {"comment": "bye"}})
    assert (ended.status, ended.cancellation_details.comment) == ("canceled", "bye")  # type: ignore[union-attr]
    with pytest.raises(stripe.InvalidRequestError):
        twin.stripe.v1.subscriptions.cancel(subscription["id"])
    twin.advance(62 * DAY)
    assert len(twin.invoices(subscription)) == 1


def _change(twin: Bench, subscription: dict, price: dict, **more: str) -> stripe.Subscription:
    item = subscription["items"]["data"][0]["id"]
    return twin.stripe.v1.subscriptions.update(
        subscription["id"],
        {"items": [{"id": item, "price": price["id"]}], **more},  # type: ignore[typeddict-item]
    )


def test_an_upgrade_invoiced_at_once_costs_the_rest_of_the_period(twin: Bench) -> None:
    subscription = twin.subscribe()
    item = subscription["items"]["data"][0]
    length = item["current_period_end"] - item["current_period_start"]
    twin.advance(length / 2)
    changed = _change(twin, subscription, twin.price(3900), proration_behavior="always_invoice")
    invoice = twin.invoices(subscription)[1]
    assert invoice["billing_reason"] == "subscription_update"
    assert sorted(line["amount"] for line in invoice["lines"]["data"]) == [-950, 1950]
    assert invoice["amount_paid"] == 1000
    assert changed.to_dict()["items"]["data"][0]["current_period_end"] == item["current_period_end"]


def test_a_proration_waits_for_the_renewal_unless_told_otherwise(twin: Bench) -> None:
    subscription = twin.subscribe()
    item = subscription["items"]["data"][0]
    twin.advance((item["current_period_end"] - item["current_period_start"]) / 2)
    _change(twin, subscription, twin.price(3900))
    assert len(twin.invoices(subscription)) == 1
    twin.advance(16 * DAY)
    assert twin.invoices(subscription)[1]["amount_paid"] == 3900 + 1000


def test_a_change_without_proration_costs_nothing_now(twin: Bench) -> None:
    subscription = twin.subscribe()
    _change(twin, subscription, twin.price(3900), proration_behavior="none")
    twin.advance(31 * DAY)
    assert [invoice["amount_paid"] for invoice in twin.invoices(subscription)] == [1900, 3900]


def test_a_change_to_yearly_starts_a_new_cycle_at_once(twin: Bench) -> None:
    subscription = twin.subscribe()
    changed = _change(twin, subscription, twin.price(19000, "year")).to_dict()
    invoice = twin.invoices(subscription)[1]
    assert invoice["amount_paid"] == 19000 - 1900
    assert changed["billing_cycle_anchor"] == changed["items"]["data"][0]["current_period_start"]


def test_a_downgrade_leaves_a_credit_that_later_invoices_use(twin: Bench) -> None:
    subscription = twin.subscribe(price=twin.price(9900))
    _change(twin, subscription, twin.price(1900), proration_behavior="always_invoice")
    assert twin.stripe.v1.customers.retrieve(subscription["customer"]).balance == -8000
    twin.advance(31 * DAY)
    third = twin.invoices(subscription)[2]
    assert (third["amount_paid"], third["starting_balance"], third["ending_balance"]) == (0, -8000, -6100)


def test_a_refused_change_with_error_if_incomplete_changes_nothing(twin: Bench) -> None:
    subscription = twin.subscribe("renewal_fails")
    with pytest.raises(stripe.CardError):
        _change(
            twin,
            subscription,
            twin.price(9900),
            proration_behavior="always_invoice",
            payment_behavior="error_if_incomplete",
        )
    assert twin.subscription(subscription["id"]) == subscription
    assert len(twin.invoices(subscription)) == 1


def test_a_preview_is_what_the_change_then_costs_and_changes_nothing(twin: Bench) -> None:
    subscription, price = twin.subscribe(), twin.price(3900)
    item = subscription["items"]["data"][0]
    twin.advance(10 * DAY)
    details = {"items": [{"id": item["id"], "price": price["id"]}], "proration_behavior": "always_invoice"}
    preview = twin.stripe.v1.invoices.create_preview(
        {"subscription": subscription["id"], "subscription_details": details}  # type: ignore[typeddict-item]
    )
    assert twin.subscription(subscription["id"])["items"] == subscription["items"]
    _change(twin, subscription, price, proration_behavior="always_invoice")
    assert twin.invoices(subscription)[1]["amount_due"] == preview.amount_due > 0


def test_a_trial_can_be_ended_now(twin: Bench) -> None:
    subscription = twin.subscribe(subscription_data={"trial_period_days": 14})
    ended = twin.stripe.v1.subscriptions.update(subscription["id"], {"trial_end": "now"})
    assert ended.status == "active"
    assert [invoice["amount_paid"] for invoice in twin.invoices(subscription)] == [0, 1900]


def test_metadata_is_merged_and_cleared_key_by_key(twin: Bench) -> None:
    subscription = twin.subscribe(subscription_data={"metadata": {"a": "1", "b": "2"}})
    updated = twin.stripe.v1.subscriptions.update(subscription["id"], {"metadata": {"b": "", "c": "3"}})
    assert updated.to_dict()["metadata"] == {"a": "1", "c": "3"}
    cleared = twin.stripe.v1.subscriptions.update(subscription["id"], {"metadata": ""})
    assert cleared.to_dict()["metadata"] == {}


def test_a_deleted_customer_has_no_running_subscription(twin: Bench) -> None:
    subscription = twin.subscribe()
    assert twin.stripe.v1.customers.delete(subscription["customer"]).deleted is True
    assert twin.subscription(subscription["id"])["status"] == "canceled"
    assert twin.stripe.v1.customers.retrieve(subscription["customer"]).deleted is True
    twin.quiet()
    assert {"customer.deleted", "customer.subscription.deleted"} <= set(twin.receiver.types())


@pytest.mark.parametrize(
    ("anchor", "interval", "expected"),
    [
        ("2027-01-31", "month", ["2027-02-28", "2027-03-31", "2027-04-30"]),
        ("2028-02-29", "year", ["2029-02-28", "2030-02-28", "2031-02-28"]),
        ("2027-12-15", "month", ["2028-01-15", "2028-02-15", "2028-03-15"]),
        ("2027-03-01", "week", ["2027-03-08", "2027-03-15", "2027-03-22"]),
    ],
)
def test_period_ends_count_from_the_anchor(anchor: str, interval: str, expected: list[str]) -> None:
    start = int(datetime.fromisoformat(anchor).replace(tzinfo=UTC).timestamp())
    recurring, ends, last = {"interval": interval, "interval_count": 1}, [], start
    for _ in expected:
        last = period_end(start, recurring, last)
        ends.append(f"{datetime.fromtimestamp(last, UTC):%Y-%m-%d}")
    assert ends == expected


def test_while_collection_is_paused_periods_pass_with_voided_invoices_and_go_on_after_it(twin: Bench) -> None:
    subscription = twin.subscribe()
    update = twin.stripe.v1.subscriptions.update
    update(subscription["id"], {"pause_collection": {"behavior": "void"}})
    twin.advance(40 * DAY)
    assert twin.subscription(subscription["id"])["status"] == "active"
    assert [each["status"] for each in twin.invoices(subscription)] == ["paid", "void"]
    update(
        subscription["id"],
        {"pause_collection": "", "billing_cycle_anchor": {"type": "now"}, "proration_behavior": "none"},
    )
    newest = twin.invoices(subscription)[-1]
    assert (newest["status"], newest["amount_paid"]) == ("paid", 1900)
    item = twin.subscription(subscription["id"])["items"]["data"][0]
    assert item["current_period_start"] == newest["created"]
    with pytest.raises(stripe.InvalidRequestError):
        update(subscription["id"], {"pause_collection": {"behavior": "keep_as_draft"}})


def test_a_customer_confirms_a_renewal_on_the_invoices_page(twin: Bench) -> None:
    subscription = twin.subscribe("renewal_3ds")
    twin.advance(31 * DAY)
    invoice = twin.invoices(subscription)[1]
    assert invoice["status"] == "open"
    assert "paid" in twin.http.post(invoice["hosted_invoice_url"]).text
    assert twin.invoices(subscription)[1]["status"] == "paid"
    assert twin.subscription(subscription["id"])["status"] == "active"
