"""Whatever happens to a payment, and in whatever order it is heard of, the ledger says what is due and adds up."""

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.community.affiliates.usecases.balances import rebuild_balances
from shared.ids import new_id
from tests.support.community import Money

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("remaining"), st.integers(0, 3900)),
        st.tuples(st.just("dispute"), st.sampled_from([None, "won", "lost", "prevented"])),
    ),
    max_size=6,
)


def due(net, steps):
    """The formula, from the history in its true order."""
    remaining = next((value for kind, value in reversed(steps) if kind == "remaining"), net)
    lost = any(step == ("dispute", "lost") for step in steps)
    return 0 if lost else 3000 * remaining // 10_000


def events_of(money, steps):
    """The events with the sequences billing gives them; each dispute here is one of its own."""
    events = [(money.paid(), 1)]
    for sequence, (kind, value) in enumerate(steps, start=2):
        event = money.refunded(value) if kind == "remaining" else money.disputed(new_id(), value)
        events.append((event, sequence))
    return events


bounded = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def within(net, steps):
    """The steps with nothing left over that was never paid."""
    return [(kind, min(value, net) if kind == "remaining" else value) for kind, value in steps]


@bounded
@given(net=st.integers(1, 3900), steps=STEPS, randomly=st.randoms(use_true_random=False))
async def test_any_history_in_any_order_leaves_what_is_due_and_sums_that_agree(village, net, steps, randomly):
    friend, code = await village.affiliate()
    steps = within(net, steps)
    user_id = new_id()
    money = Money(user_id, village.svc.clock.now(), net)
    arriving = [(village.registration(user_id, referral_code=code), 1), *events_of(money, steps)]
    repeated = arriving + randomly.choices(arriving, k=3)
    randomly.shuffle(repeated)
    for event, sequence in repeated:
        await village.svc.receive(event, sequence=sequence)
    commissions = await village.commissions(friend)
    assert sum(row["amount"] for row in commissions) == due(net, steps)
    assert all(sum(entry["delta"] for entry in row["entries"]) == row["amount"] for row in commissions)
    async with village.svc.runtime.database.write() as session:
        assert await rebuild_balances(session) == []


@bounded
@given(net=st.integers(1, 3900), steps=STEPS, paid_after=st.integers(0, 6))
async def test_what_is_paid_out_and_what_is_open_always_add_up_to_what_is_due(village, net, steps, paid_after):
    friend, code = await village.affiliate()
    steps = within(net, steps)
    money = Money(await village.customer(code), village.svc.clock.now(), net)
    paid = 0
    for number, (event, sequence) in enumerate(events_of(money, steps)):
        await village.svc.receive(event, sequence=sequence)
        if number == min(paid_after, len(steps)):
            paid = await village.pay_out(friend)
    village.svc.clock.advance(timedelta(days=31).total_seconds())
    balance = (await village.me(friend))["balance"]
    disputed = any(step == ("dispute", None) for step in steps)
    assert balance["paid"] == paid
    assert balance["pending" if disputed else "available"] == due(net, steps) - paid
    assert balance["available" if disputed else "pending"] == 0
    async with village.svc.runtime.database.write() as session:
        assert await rebuild_balances(session) == []


@bounded
@given(days=st.integers(0, 60), seconds=st.integers(0, 86_399))
async def test_a_commission_waits_exactly_its_holding_period(village, days, seconds):
    friend, code = await village.affiliate()
    await village.pay(await village.customer(code))
    village.svc.clock.advance(timedelta(days=days, seconds=seconds).total_seconds())
    balance = (await village.me(friend))["balance"]
    assert (balance["pending"], balance["available"]) == ((0, 1170) if days >= 30 else (1170, 0))
