"""RB4: a process that dies at any commit or call loses nothing and repeats nothing."""

from collections import Counter

import pytest

from services.billing.tasks import finish_checkouts, finish_refunds, follow_accounts
from tests.support.billing_dump import dump_of
from tests.support.deaths import Died, Fate, mortal

TRIES = 5


async def insist(action):
    """What a caller does whose connection broke: the same again."""
    for _ in range(TRIES):
        try:
            return await action()
        except Died:
            continue
    raise AssertionError("it died more than once")


async def settled(shop):
    """Webhooks are delivered again, and the leases of the dead run out."""

    async def settle():
        await shop.svc.rows(
            "UPDATE webhook_events SET lease_until = now() - interval '1 second'"
            " WHERE status = 'PROCESSING' RETURNING 1"
        )
        await shop.svc.rows("UPDATE webhook_events SET next_attempt_at = now() WHERE status = 'RETRY' RETURNING 1")
        await shop.settle()

    await insist(settle)
    await settle()


async def recovered(shop):
    shop.svc.clock.advance(600)
    for task in (finish_checkouts, finish_refunds, follow_accounts):
        await insist(lambda task=task: task(shop.svc.runtime))
    await settled(shop)


async def live(shop, user):
    """Buy, get a part back, cancel, change one's mind, and get the rest back."""
    checkout = await insist(lambda: shop.checkout(user))
    await shop.pay(checkout["session_id"])
    await settled(shop)
    [payment] = await shop.payments(user)
    await insist(lambda: shop.refund(payment["id"], key="part", amount=900))
    await settled(shop)
    async with shop.svc.client(user) as client:
        body = {"at_period_end": True}
        await insist(lambda: client.post("/v1/billing/subscription/cancel", json=body))
        await settled(shop)
        await insist(lambda: client.post("/v1/billing/subscription/resume"))
    await settled(shop)
    await insist(lambda: shop.refund(payment["id"], key="rest"))
    await recovered(shop)


async def at_stripe(shop):
    """How many of each thing Stripe holds: a repeated call would show here."""
    kinds = ("customers", "checkout/sessions", "subscriptions", "refunds", "prices", "payment_intents")
    return {kind: len((await shop.stripe("GET", kind, limit=100))["data"]) for kind in kinds}


async def history(shop, fate):
    await shop.empty()
    user = await shop.register()
    async with mortal(shop, fate):
        await live(shop, user)
    dump = await dump_of(shop, user)
    for row in dump["subscriptions"]:
        row.update(period_start=None, period_end=None, started_at=None, cancel_at=row["cancel_at"] is not None)
    return {**dump, "stripe": await at_stripe(shop)}


async def points_of(shop):
    """Each place that commits or calls, with the first and the last time the story passes it."""
    fate = Fate()
    expected = await history(shop, fate)
    times = Counter(fate.passed)
    found = sorted({(point, occurrence) for point, n in times.items() for occurrence in (1, n)})
    return expected, found


async def test_the_story_passes_every_kind_of_point(shop):
    expected, points = await points_of(shop)
    names = " ".join(point for point, _ in points)
    for part in ("POST /v1/checkout/sessions", "POST /v1/refunds", "POST /v1/customers", "DELETE /v1/subscriptions"):
        assert f"before {part}" in names
        assert f"after {part}" in names
    for part in ("start_checkout", "open_session", "_process", "refund_payment", "carry_out_refund", "request"):
        assert f"{part}" in names
    assert expected["payments"][0]["status"] == "REFUNDED"


@pytest.mark.slow
@pytest.mark.timeout(1100)
async def test_a_death_at_any_commit_or_call_ends_in_the_same_books(shop):
    expected, points = await points_of(shop)
    assert len(points) > 50
    differing = {}
    for point, occurrence in points:
        fate = Fate(point, occurrence)
        seen = await history(shop, fate)
        assert fate.has_struck, point
        if seen != expected:
            differing[point, occurrence] = {key: seen[key] for key in seen if seen[key] != expected[key]}
    assert differing == {}
