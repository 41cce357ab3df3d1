"""The arithmetic of commissions: exact, never negative, and blind to the way that led to it."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.community.affiliates.ledger import delta, target_commission
from services.community.affiliates.terms import Terms

RATES = st.integers(0, 10_000)
AMOUNTS = st.integers(0, 10**12)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given by `timezones`


@given(RATES, AMOUNTS)
def test_the_target_is_the_exact_share_rounded_down(rate, net):
    exact = Fraction(rate * net, 10_000)
    assert target_commission(rate, net, lost=False) == exact.numerator // exact.denominator
    assert 0 <= target_commission(rate, net, lost=False) <= net


@given(RATES, AMOUNTS, AMOUNTS)
def test_less_left_never_earns_more(rate, one, other):
    less, more = sorted((one, other))
    assert target_commission(rate, less, lost=False) <= target_commission(rate, more, lost=False)


@given(RATES, st.integers(-(10**12), 10**12))
def test_what_is_lost_or_overdrawn_earns_nothing(rate, net):
    assert target_commission(rate, net, lost=True) == 0
    assert target_commission(rate, min(net, 0), lost=False) == 0


@given(RATES, st.lists(st.tuples(AMOUNTS, st.booleans()), min_size=1, max_size=30))
def test_entries_sum_to_the_last_target_whatever_came_before_and_a_repeat_writes_nothing(rate, facts):
    entries = []
    for remaining, lost in facts:
        target = target_commission(rate, remaining, lost)
        for _ in range(2):
            due = delta(target, sum(entries))
            entries += [due] if due else []
        assert sum(entries) == target
    assert 0 not in entries
    assert all(sum(entries[: end + 1]) >= 0 for end in range(len(entries)))


@given(RATES, st.integers(1, 10**9), st.lists(st.integers(1, 10**6), max_size=20))
def test_many_small_refunds_end_where_one_large_one_does(rate, net, refunds):
    remaining, balance = net, 0
    for refund in [0, *refunds]:
        remaining = max(0, remaining - refund)
        balance += delta(target_commission(rate, remaining, lost=False), balance)
    assert balance == target_commission(rate, remaining, lost=False)


@given(MOMENTS, st.integers(1, 400))
def test_the_window_ends_with_its_last_second(clicked_at, days):
    terms = Terms(months=12, attribution_window=timedelta(days=days), holding_period=timedelta(days=30))
    end = clicked_at + timedelta(days=days)
    assert terms.counts(clicked_at, end)
    assert not terms.counts(clicked_at, end + timedelta(microseconds=1))


@given(MOMENTS, st.integers(1, 36))
def test_months_that_earn_are_counted_by_the_calendar(registered_at, months):
    terms = Terms(months, timedelta(days=30), timedelta(days=30))
    assert terms.earns(registered_at, registered_at)
    assert terms.earns(registered_at, registered_at + timedelta(days=28 * months) - timedelta(seconds=1))
    assert not terms.earns(registered_at, registered_at + timedelta(days=31 * months))
