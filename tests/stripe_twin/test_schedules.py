"""Scheduled changes: another price from the end of the period on, and taking that back."""

from typing import Any

import pytest
import stripe

from tests.stripe_twin.bench import DAY, Bench


def scheduled(twin: Bench, subscription: Any, price: Any, interval: str = "month") -> Any:
    schedule = twin.stripe.v1.subscription_schedules.create({"from_subscription": subscription["id"]}).to_dict()
    current = schedule["phases"][0]
    kept = {
        "items": [{"price": each["price"], "quantity": each["quantity"]} for each in current["items"]],
        "start_date": current["start_date"],
        "end_date": current["end_date"],
    }
    coming = {"items": [{"price": price["id"], "quantity": 1}], "duration": {"interval": interval}}
    return twin.stripe.v1.subscription_schedules.update(schedule["id"], {"phases": [kept, coming]}).to_dict()


def test_a_scheduled_price_is_billed_from_the_next_period_on_and_the_schedule_lets_go_after_it(twin: Bench) -> None:
    subscription = twin.subscribe(price=twin.price(3900))
    schedule = scheduled(twin, subscription, twin.price(1900))
    assert twin.subscription(subscription["id"])["schedule"] == schedule["id"]
    twin.advance(31 * DAY)
    renewed = twin.subscription(subscription["id"])
    assert renewed["items"]["data"][0]["price"]["unit_amount"] == 1900
    assert [each["amount_paid"] for each in twin.invoices(subscription)] == [3900, 1900]
    twin.advance(31 * DAY)
    assert twin.subscription(subscription["id"])["schedule"] is None
    released = twin.stripe.v1.subscription_schedules.retrieve(schedule["id"])
    assert (released.status, released.released_subscription) == ("released", subscription["id"])
    assert [each["amount_paid"] for each in twin.invoices(subscription)] == [3900, 1900, 1900]
    twin.quiet()


def test_a_scheduled_interval_restarts_the_cycle_where_the_old_one_ends(twin: Bench) -> None:
    subscription = twin.subscribe(price=twin.price(3900))
    ends = subscription["items"]["data"][0]["current_period_end"]
    scheduled(twin, subscription, twin.price(39000, "year"), "year")
    twin.advance(31 * DAY)
    item = twin.subscription(subscription["id"])["items"]["data"][0]
    assert item["current_period_start"] == ends
    assert item["current_period_end"] - ends >= 365 * DAY
    assert twin.subscription(subscription["id"])["billing_cycle_anchor"] == ends


def test_a_released_schedule_changes_nothing_any_more(twin: Bench) -> None:
    subscription = twin.subscribe(price=twin.price(3900))
    schedule = scheduled(twin, subscription, twin.price(1900))
    twin.stripe.v1.subscription_schedules.release(schedule["id"])
    assert twin.subscription(subscription["id"])["schedule"] is None
    twin.advance(31 * DAY)
    assert [each["amount_paid"] for each in twin.invoices(subscription)] == [3900, 3900]
    twin.receiver.wait_for("subscription_schedule.created", "subscription_schedule.released")
    with pytest.raises(stripe.InvalidRequestError):
        twin.stripe.v1.subscription_schedules.release(schedule["id"])


def test_a_scheduled_subscription_is_not_changed_beside_its_schedule_and_takes_it_along_when_it_ends(
    twin: Bench,
) -> None:
    subscription = twin.subscribe(price=twin.price(3900))
    schedule = scheduled(twin, subscription, twin.price(1900))
    with pytest.raises(stripe.InvalidRequestError, match="schedule"):
        twin.stripe.v1.subscriptions.update(subscription["id"], {"cancel_at_period_end": True})
    with pytest.raises(stripe.InvalidRequestError, match="already attached"):
        twin.stripe.v1.subscription_schedules.create({"from_subscription": subscription["id"]})
    twin.stripe.v1.subscriptions.cancel(subscription["id"])
    assert twin.stripe.v1.subscription_schedules.retrieve(schedule["id"]).status == "canceled"
    assert twin.stripe.v1.subscription_schedules.list({"customer": subscription["customer"]}).data[0].id


@pytest.mark.parametrize(
    "phases",
    [
        [{"items": [{"price": "price_none"}], "start_date": 1, "end_date": 2}],
        [{"items": [{"price": "price_none"}]}],
    ],
)
def test_phases_that_do_not_begin_with_the_current_one_are_refused(twin: Bench, phases: Any) -> None:
    subscription = twin.subscribe()
    schedule = twin.stripe.v1.subscription_schedules.create({"from_subscription": subscription["id"]})
    with pytest.raises(stripe.InvalidRequestError):
        twin.stripe.v1.subscription_schedules.update(schedule.id, {"phases": phases})
