"""RB24: the log names ids, never what signs webhooks, opens Stripe, or was typed by a customer."""

import json

import structlog

from tests.billing.test_event_types import lived
from tests.support.billing import WEBHOOK_SECRET


async def test_the_log_of_a_whole_life_holds_no_secret_and_no_payload(shop):
    with structlog.testing.capture_logs() as logs:
        await shop.control("faults", method="GET", path="/v1/invoices/*", kind="500", times=3)
        await lived(shop)
    assert "webhook_failed" in [entry["event"] for entry in logs]
    written = json.dumps(logs, default=str)
    for secret in (WEBHOOK_SECRET, "sk_test_twin", "card", "payload", "4242", "@"):
        assert secret not in written
