"""At the start billing asks Stripe whether it is told exactly what it acts upon."""

import asyncio

import pytest
import structlog

from services.billing.usecases.subscribed import MISSING, SURPLUS, check_subscription
from services.billing.usecases.webhooks import HANDLED
from tests.support.billing import open_shop

ENDPOINT = "webhook_endpoints/we_twin_configured"


async def subscribe(shop, *types):
    await shop.stripe("POST", ENDPOINT, **{f"enabled_events[{number}]": name for number, name in enumerate(types)})


async def checked(shop):
    with structlog.testing.capture_logs() as logs:
        await check_subscription(shop.svc.runtime.parts.gateway)
    return logs


async def test_an_endpoint_subscribed_to_exactly_our_list_is_nothing_to_speak_of(shop):
    assert await checked(shop) == []
    assert (MISSING._value.get(), SURPLUS._value.get()) == (0, 0)


async def test_an_event_that_stripe_does_not_send_us_is_an_error(shop):
    await subscribe(shop, *(name for name in HANDLED if name != "refund.failed"))
    [entry] = await checked(shop)
    assert (entry["log_level"], entry["missing"], entry["surplus"]) == ("error", ["refund.failed"], [])
    assert MISSING._value.get() == 1


@pytest.mark.parametrize("types", [("*",), (*HANDLED, "charge.succeeded")], ids=["everything", "one too many"])
async def test_an_event_that_we_do_not_act_upon_is_a_warning(shop, types):
    await subscribe(shop, *types)
    [entry] = await checked(shop)
    assert (entry["log_level"], entry["missing"]) == ("warning", [])
    assert entry["surplus"] == [types[-1]]


async def test_a_disabled_endpoint_sends_us_nothing(shop):
    await shop.stripe("POST", ENDPOINT, disabled="true")
    [entry] = await checked(shop)
    assert entry["missing"] == sorted(HANDLED)


async def test_an_endpoint_of_something_else_in_the_account_is_not_ours(shop):
    await shop.stripe("POST", "webhook_endpoints", **{"url": "https://other.example/hook", "enabled_events[0]": "*"})
    assert await checked(shop) == []


async def test_stripe_being_down_delays_the_check_and_not_the_start(monkeypatch):
    monkeypatch.setattr("services.billing.parts.UNCHECKED_SECONDS", 0.05)
    asked = asyncio.Event()
    monkeypatch.setattr("services.billing.usecases.subscribed.MISSING", Noted(asked))
    with structlog.testing.capture_logs() as logs:
        async with open_shop(roles=frozenset({"web", "worker"}), before=one_outage):
            await asyncio.wait_for(asked.wait(), 20)
    assert "stripe_endpoint_not_checked" in [entry["event"] for entry in logs]


class Noted:
    """A gauge that says when it is set."""

    def __init__(self, event):
        self.event = event

    def set(self, _value):
        self.event.set()


async def one_outage(twin):
    fault = {"method": "GET", "path": "/v1/webhook_endpoints", "kind": "500", "times": 3}
    assert (await twin.post("/twin/stripe/_control/faults", json=fault)).is_success
