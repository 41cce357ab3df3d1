"""Whatever happens to a payment, and in whatever order it is heard of, the ledger says what is due and adds up."""

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


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(net=st.integers(1, 3900), steps=STEPS, randomly=st.randoms(use_true_random=False))
async def test_any_history_in_any_order_leaves_what_is_due_and_sums_that_agree(village, net, steps, randomly):
    friend, code = await village.affiliate()
    steps = [(kind, min(value, net) if kind == "remaining" else value) for kind, value in steps]
    user_id = new_id()
    money = Money(user_id, village.svc.clock.now(), net)
    arriving = [(village.registration(user_id, referral_code=code), 1), *events_of(money, steps)]
    randomly.shuffle(arriving)
    for event, sequence in arriving:
        await village.svc.receive(event, sequence=sequence)
    commissions = await village.commissions(friend)
    assert sum(row["amount"] for row in commissions) == due(net, steps)
    assert all(sum(entry["delta"] for entry in row["entries"]) == row["amount"] for row in commissions)
    async with village.svc.runtime.database.write() as session:
        assert await rebuild_balances(session) == []
