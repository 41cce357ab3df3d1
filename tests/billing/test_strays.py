"""What Stripe may say and our own purchases never cause: nothing breaks, nothing is booked."""

from types import SimpleNamespace

from services.billing import repository
from services.billing.stripe_objects import IntentSnapshot, ScheduleSnapshot, SessionSnapshot
from services.billing.usecases.one_time import _await_money, follow_session
from services.billing.usecases.synchronise import Books, _note_session, sync_schedule
from services.billing.usecases.trials import note_trial_start
from tests.billing.test_grants import buy_pack


def books_of(shop, session, gateway=None):
    parts = shop.svc.runtime.parts
    return Books(session, gateway or parts.gateway, shop.svc.clock.now(), parts.grace)


async def test_a_schedule_that_is_over_already_is_as_good_as_released(shop):
    user = await shop.register()
    await shop.buy(user)
    async with shop.svc.client(user) as client:
        change = {"plan_id": "creator", "interval": "month"}
        assert (await client.post("/v1/billing/subscription/change", json=change)).status_code == 200
    await shop.settle()
    [row] = await shop.svc.rows("SELECT stripe_schedule_id AS id FROM subscriptions WHERE user_id = %(u)s", u=user)
    for attempt in ("first", "second"):
        await shop.svc.runtime.parts.gateway.release_schedule(row["id"], key=f"test:{attempt}")
    await shop.settle()
    assert (await shop.svc.runtime.parts.gateway.get_schedule(row["id"])).status == "released"


async def test_a_schedule_for_nobody_s_subscription_changes_nothing(shop):
    async def get_schedule(schedule_id):
        return ScheduleSnapshot.model_validate({"id": schedule_id, "status": "not_started", "phases": []})

    async with shop.svc.runtime.database.write() as session:
        await sync_schedule(books_of(shop, session, SimpleNamespace(get_schedule=get_schedule)), "sub_sched_new")
    assert await shop.svc.rows("SELECT 1 FROM subscriptions") == []


async def test_an_intent_that_still_waits_for_the_buyer_leaves_a_pack_s_payment_as_it_is(shop):
    user = await shop.register()
    bought = await buy_pack(shop, user, card="delayed")
    intent = IntentSnapshot.model_validate({"id": bought["stripe_payment_intent_id"], "status": "requires_action"})
    async with shop.svc.runtime.database.write() as session:
        payment = await repository.lock_payment(session, bought["id"])
        before = payment.version
        await _await_money(books_of(shop, session), payment, intent)
        assert (payment.status, payment.version) == ("PROCESSING", before)


async def test_a_complete_session_without_money_or_an_attempt_at_it_leaves_a_pack_s_payment_as_it_is(shop):
    user = await shop.register()
    bought = await buy_pack(shop, user, card="delayed")
    facts = {"id": bought["stripe_session_id"], "status": "complete", "payment_status": "unpaid", "expires_at": 1}
    async with shop.svc.runtime.database.write() as session:
        checkout = await repository.find_checkout_by_session(session, bought["stripe_session_id"])
        payment = await repository.lock_payment(session, bought["id"])
        payment.stripe_payment_intent_id = None
        await follow_session(books_of(shop, session), checkout, SessionSnapshot.model_validate(facts))
        assert payment.status == "PROCESSING"


async def test_a_trial_of_somebody_whose_address_never_became_known_is_nobodys_first(shop):
    user = await shop.register()
    await shop.buy(user)
    await shop.svc.rows(
        "UPDATE billing_customers SET email_fingerprint = NULL WHERE user_id = %(u)s RETURNING 1", u=user
    )
    async with shop.svc.runtime.database.write() as session:
        row = await repository.find_live_subscription(session, user)
        await note_trial_start(session, row)
    assert await shop.svc.rows("SELECT 1 FROM trials") == []


async def test_a_plan_whose_money_takes_days_is_under_way_as_soon_as_its_session_is_complete(shop):
    """Whether the session is heard of before its invoice is chance elsewhere, so that it is made sure of here."""
    user = await shop.register()
    await shop.control("delivery", stop=True)
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"], "delayed")
    snapshot = await shop.svc.runtime.parts.gateway.get_session(checkout["session_id"])
    async with shop.svc.runtime.database.write() as session:
        known = await repository.find_checkout_by_session(session, snapshot.id)
        await _note_session(books_of(shop, session), known, snapshot)
    [payment] = await shop.payments(user)
    assert payment["status"] == "PROCESSING"
    await shop.control("delivery", stop=False)
    await shop.settle()
    assert [payment["status"] for payment in await shop.payments(user)] == ["PROCESSING"]
