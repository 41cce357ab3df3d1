"""A disputed payment freezes what it bought; won releases it, lost takes it back for good."""

import pytest


@pytest.fixture
async def disputed(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    intent = payment["stripe_payment_intent_id"]
    await shop.control(f"payments/{intent}/dispute")
    await shop.settle()
    return user, payment, intent


async def state_of(shop, user):
    entitlement = await shop.entitlement(user)
    return entitlement["plan_id"], entitlement["status"]


async def test_an_open_dispute_freezes_the_plan_and_forbids_a_refund(shop, disputed):
    user, payment, _ = disputed
    assert await state_of(shop, user) == ("free", "frozen")
    assert (await shop.refund(payment["id"])).json()["code"] == "payment_not_refundable"
    assert (await shop.svc.published("entitlement.changed"))[-1]["data"]["status"] == "frozen"


async def test_a_dispute_won_releases_the_plan(shop, disputed):
    user, _, intent = disputed
    await shop.control(f"payments/{intent}/dispute_win")
    await shop.settle()
    assert await state_of(shop, user) == ("viral", "active")
    [closed] = await shop.svc.published("payment.dispute_closed")
    assert closed["data"]["outcome"] == "won"


async def test_a_dispute_lost_takes_the_plan_back(shop, disputed):
    user, _, intent = disputed
    await shop.control(f"payments/{intent}/dispute_lose")
    await shop.settle()
    assert (await state_of(shop, user))[0] == "free"
    [closed] = await shop.svc.published("payment.dispute_closed")
    assert closed["data"]["outcome"] == "lost"


async def test_a_decided_dispute_is_decided_once(shop, disputed):
    """Every event of the dispute arrives again after it was decided."""
    _, _, intent = disputed
    await shop.control(f"payments/{intent}/dispute_win")
    await shop.settle()
    await shop.svc.rows("UPDATE disputes SET state = 'lost' RETURNING 1")
    await shop.svc.rows(
        "UPDATE webhook_events SET status = 'RECEIVED', attempts = 0"
        " WHERE event_type LIKE 'charge.dispute%%' AND status = 'PROCESSED' RETURNING 1"
    )
    await shop.settle()
    assert len(await shop.svc.published("payment.dispute_closed")) == 1
    ignored = await shop.svc.rows("SELECT DISTINCT from_status, to_status FROM ignored_transitions")
    assert [(row["from_status"], row["to_status"]) for row in ignored] == [("lost", "won")]
