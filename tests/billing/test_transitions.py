"""The tables of allowed moves, and what becomes of moves they do not have."""

import pytest

from services.billing import catalogue, transitions
from services.billing.models import PAYMENT_STATUSES
from services.billing.stripe_objects import id_of
from services.billing.transitions import MOVES, dispute_state_of, refunded_status
from services.billing.usecases.subscriptions import facts_between


def test_a_payment_that_was_paid_never_goes_back_to_unpaid():
    unpaid = {"PENDING", "PROCESSING", "FAILED", "CANCELLED"}
    assert not [move for move in MOVES["payment"] if move[0] in transitions.SETTLED and move[1] in unpaid]
    assert {status for move in MOVES["payment"] for status in move} == set(PAYMENT_STATUSES)


def test_what_is_over_stays_over():
    assert not [move for move in MOVES["subscription"] if move[0] == "ended"]
    assert not [move for move in MOVES["refund"] if move[0] in {"failed", "canceled"}]
    assert not [move for move in MOVES["dispute"] if move[0] in {"won", "lost", "warning_closed", "prevented"}]


def test_every_state_that_stripe_may_report_is_reachable():
    reported = set(transitions.SUBSCRIPTION_STATUS.values())
    assert reported == {status for move in MOVES["subscription"] for status in move}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("warning_needs_response", "inquiry"),
        ("warning_under_review", "inquiry"),
        ("warning_closed", "none"),
        ("needs_response", "needs_response"),
        ("under_review", "under_review"),
        ("won", "won"),
        ("lost", "lost"),
        ("prevented", "prevented"),
    ],
)
def test_a_dispute_shows_on_the_payment_and_an_inquiry_takes_no_money(status, state):
    assert dispute_state_of(status) == state
    assert (state in transitions.FREEZING_DISPUTES) == (status in {"needs_response", "under_review", "lost"})


@pytest.mark.parametrize(("refunded", "status"), [(0, "PAID"), (1, "PARTIALLY_REFUNDED"), (100, "REFUNDED")])
def test_the_status_follows_the_sum_of_refunds(refunded, status):
    assert refunded_status(100, refunded) == status


@pytest.mark.parametrize(
    ("before", "after", "facts"),
    [
        ("incomplete", "active", ["activated"]),
        ("suspended", "active", ["recovered"]),
        ("past_due", "active", ["recovered"]),
        ("paused", "active", ["resumed"]),
        ("active", "paused", ["paused"]),
        ("active", "past_due", ["past_due"]),
        ("past_due", "past_due", []),
        ("paused", "paused", []),
        ("active", "ended", ["ended"]),
    ],
)
def test_each_difference_between_two_states_is_told_by_its_name(before, after, facts):
    assert facts_between(before, after, None, None, changed=False) == facts


def test_a_plan_change_is_told_only_where_there_is_access():
    assert facts_between("active", "active", None, None, changed=True) == ["plan_changed"]
    assert facts_between("paused", "paused", None, None, changed=True) == []


@pytest.mark.parametrize("key", ["", "pro", "other_viral_month_3900", "atelier_gold_month_1", "atelier_viral_month"])
def test_a_price_that_is_not_ours_names_no_plan(key):
    assert catalogue.plan_of_lookup_key(key) is None


def test_a_price_at_an_old_amount_still_names_its_plan():
    assert catalogue.plan_of_lookup_key("atelier_viral_year_100") == ("viral", "year")


def test_an_expanded_object_a_bare_id_and_nothing_are_read_alike():
    assert (id_of({"id": "cus_1"}), id_of("cus_1"), id_of(None)) == ("cus_1", "cus_1", None)
