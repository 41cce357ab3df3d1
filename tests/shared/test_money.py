"""Minor units, written and divided: every currency has its own decimals, and no share makes money."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.catalogue import CURRENCY, PACKS, PLANS
from services.community.affiliates.ledger import BASIS_POINTS, target_commission
from shared import money
from shared.money import is_chargeable, minimum_charge, share_of, step, written


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1900, "usd", "19.00 USD"),
        (5, "eur", "0.05 EUR"),
        (0, "usd", "0.00 USD"),
        (-1234, "usd", "-12.34 USD"),
        (1900, "jpy", "1900 JPY"),
        (-7, "krw", "-7 KRW"),
        (1900, "kwd", "1.900 KWD"),
        (10, "bhd", "0.010 BHD"),
        (500, "isk", "5.00 ISK"),
        (10**15, "JPY", "1000000000000000 JPY"),
    ],
)
def test_an_amount_is_written_with_the_decimals_of_its_currency(amount, currency, text):
    assert written(amount, currency) == text


@pytest.mark.parametrize(
    ("amount", "currency", "can"),
    [
        (0, "usd", True),
        (49, "usd", False),
        (50, "usd", True),
        (49, "jpy", False),
        (50, "jpy", True),
        (5000, "kwd", True),
        (5001, "kwd", False),
        (5, "kwd", False),
        (150, "isk", False),
        (200, "isk", True),
        (29, "gbp", False),
        (1, "xof", True),
    ],
)
def test_stripe_charges_multiples_of_a_step_from_a_minimum_on(amount, currency, can):
    assert is_chargeable(amount, currency) is can


def test_all_that_we_sell_can_be_charged():
    prices = [price for plan in PLANS.values() for price in plan.prices.values()]
    for amount in (*prices, *(pack.price for pack in PACKS.values())):
        assert is_chargeable(amount, CURRENCY), amount


@given(total=st.integers(0, 10**15), cuts=st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_shares_never_add_up_to_more_than_the_whole_and_lose_less_than_one_each(total, cuts):
    whole = sum(cuts) or 1
    shares = [share_of(total, part, whole) for part in cuts]
    assert sum(shares) <= total
    if sum(cuts):
        assert total - sum(shares) < len(cuts)


@given(net=st.integers(0, 10**15), rate=st.integers(0, BASIS_POINTS))
def test_a_commission_is_exact_far_beyond_what_a_float_holds(net, rate):
    earned = target_commission(rate, net, lost=False)
    assert earned * BASIS_POINTS <= net * rate < (earned + 1) * BASIS_POINTS


@given(amount=st.integers(-(10**15), 10**15), currency=st.sampled_from(["usd", "jpy", "kwd", "isk"]))
def test_what_is_written_can_be_read_back(amount, currency):
    number, code = written(amount, currency).split()
    assert (int(number.replace(".", "")), code) == (amount, currency.upper())
    assert minimum_charge(currency) % step(currency) == 0
    assert money.decimals(code) == money.decimals(currency)
