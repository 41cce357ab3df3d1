"""Events that arrive at the same moment leave the ledger as if they had come one by one."""

import asyncio
from datetime import timedelta

from services.community.affiliates.terms import terms_of
from services.community.affiliates.usecases.accruals import Cause, approve_due_commissions, record_payment
from services.community.affiliates.usecases.balances import find_differences
from shared.events.testing import deliver_to
from shared.ids import new_id
from tests.support.community import Money

WAITING = "SELECT 1 AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
PATIENCE_SECONDS = 20


async def somebody_waits(village):
    """Return once a transaction in this database waits for another's lock."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await village.svc.rows(WAITING):  # noqa: ASYNC110 - a lock in Postgres tells nobody
            await asyncio.sleep(0.01)


async def differences(village):
    async with village.svc.runtime.database.read() as session:
        return await find_differences(session)


async def test_consumers_at_work_at_the_same_time_agree_on_what_is_due(village):
    friend, code = await village.affiliate()
    svc, due = village.svc, 0
    for number in range(12):
        money = Money(new_id(), svc.clock.now(), 1000 + number)
        await deliver_to(svc.runtime, svc.service, money.refunded(500), sequence=2)
        await deliver_to(svc.runtime, svc.service, money.disputed(new_id(), "lost" if number % 4 == 0 else "won"))
        await deliver_to(svc.runtime, svc.service, village.registration(money.user_id, referral_code=code))
        await deliver_to(svc.runtime, svc.service, money.paid())
        due += 0 if number % 4 == 0 else 150
    await svc.bus.drain()
    assert (await village.me(friend))["balance"]["pending"] == due
    assert await differences(village) == []


async def test_a_payment_in_the_same_moment_as_a_refused_self_referral_earns_nothing(village):
    """The referral is read before the payment's transaction ends, and decided on after it."""
    affiliate = new_id()
    code = (await village.post("/v1/affiliates/apply", affiliate, {}))["code"]
    customer, now = await village.customer(code, email_fingerprint="same"), village.svc.clock.now()
    terms = terms_of(village.svc.runtime.settings)
    async with village.svc.runtime.database.write() as session:
        await record_payment(session, Money(customer, now).paid(), Cause(new_id(), "payment.paid", now), terms)
        own = village.registration(affiliate, email_fingerprint="same")
        refusing = asyncio.create_task(village.svc.receive(own))
        await somebody_waits(village)
    await refusing
    [referral] = (await village.get("/v1/affiliates/me/referrals", affiliate))["items"]
    assert (referral["status"], referral["commission"]) == ("rejected", 0)
    assert (await village.me(affiliate))["balance"]["pending"] == 0
    assert await differences(village) == []


async def test_an_approval_and_a_refund_in_the_same_moment_are_two_steps_of_one_history(village):
    _, code = await village.affiliate()
    money = await village.pay(await village.customer(code))
    village.svc.clock.advance(timedelta(days=30).total_seconds())
    async with village.svc.runtime.database.write() as session:
        assert await approve_due_commissions(session, village.svc.clock.now()) == 1
        refund = asyncio.create_task(village.svc.receive(money.refunded(0), sequence=2))
        await somebody_waits(village)
    await refund
    history = [event for event in await village.svc.published() if event["type"].startswith("commission.")]
    assert [(event["type"], int(event["sequence"])) for event in history] == [
        ("commission.accrued", 1),
        ("commission.approved", 2),
        ("commission.reversed", 3),
    ]
    assert await differences(village) == []
