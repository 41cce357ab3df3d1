"""The oracle itself: it accepts what Stripe's own types describe and catches what differs."""

import copy

import pytest
import stripe.params as sdk

from deploy.stripe_twin.conformance import resource_problems, validate_request
from deploy.stripe_twin.errors import StripeError
from deploy.stripe_twin.forms import parse_form
from deploy.stripe_twin.routes import ROUTES
from tests.stripe_twin.bench import Bench


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"current_period_end": 1}, "subscription.current_period_end: not a field of Subscription"),
        ({"status": "running"}, "subscription.status: 'running' is not one of"),
        ({"cancel_at": "tomorrow"}, "subscription.cancel_at: 'tomorrow' is not"),
        ({"cancel_at_period_end": 1}, "subscription.cancel_at_period_end: 1 is not"),
        ({"metadata": {"a": 1}}, "subscription.metadata.a: 1 is not"),
        ({"items": []}, "subscription.items: not a list object"),
        ({"customer": {"object": "customer"}}, "subscription.customer"),
        ({"discounts": "none"}, "subscription.discounts: 'none' is not a list"),
    ],
)
def test_an_object_that_differs_from_the_sdk_is_caught(twin: Bench, change: dict, problem: str) -> None:
    good = twin.raw(f"/v1/subscriptions/{twin.subscribe()['id']}")
    assert resource_problems(good) == []
    found = resource_problems({**good, **change})
    assert found
    assert found[0].startswith(problem)


def test_a_missing_field_and_one_deep_inside_are_caught(twin: Bench) -> None:
    good = twin.raw(f"/v1/subscriptions/{twin.subscribe()['id']}")
    bad = copy.deepcopy(good)
    del bad["start_date"]
    bad["items"]["data"][0]["price"]["type"] = "weekly"
    assert [problem.split(":")[0] for problem in resource_problems(bad)] == [
        "subscription.items.data[0].price.type",
        "subscription.start_date",
    ]


def test_an_unknown_kind_of_object_is_caught() -> None:
    assert resource_problems({"object": "unicorn"}) == ["unicorn: not a resource of the SDK"]


def test_an_event_is_checked_together_with_what_it_carries(twin: Bench) -> None:
    twin.customer()
    event = twin.raw("/v1/events")["data"][0]
    assert resource_problems(event) == []
    event["data"]["object"]["nonsense"] = True
    assert resource_problems(event) == ["customer.nonsense: not a field of Customer"]
    assert resource_problems({**event, "type": "customer.sneezed"})


def test_every_route_has_a_validator_and_accepts_only_parameters_stripe_knows() -> None:
    for route in ROUTES:
        for name in route.accepts.split():
            assert name in route.params.__annotations__, f"{route.method} {route.path}: {name}"
        with pytest.raises(StripeError) as refused:
            validate_request(route.params, {"no_such_parameter": "1"})
        assert refused.value.status == 400


def test_text_becomes_what_the_type_says() -> None:
    form = parse_form(b"cancel_at_period_end=true&trial_end=now&metadata[0]=x&items[0][id]=si_1&items[1][quantity]=2")
    assert validate_request(sdk.SubscriptionUpdateParams, form) == {
        "cancel_at_period_end": True,
        "trial_end": "now",
        "metadata": {"0": "x"},
        "items": [{"id": "si_1"}, {"quantity": 2}],
    }
