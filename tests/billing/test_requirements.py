"""RB1 to RB25, and the test that shows each. A test that is renamed or lost is missed here."""

from importlib import import_module

import pytest

SHOWN_BY = {
    "RB1": "webhooks.a_payment_told_twenty_times_at_once_to_several_workers_has_one_effect",
    "RB2": "any_order.every_telling_and_a_lost_one_end_alike",
    "RB3": "reconcile.a_purchase_whose_webhooks_were_all_lost_is_found_and_booked",
    "RB4": "crashes.a_death_at_any_commit_or_call_ends_in_the_same_books",
    "RB5": "webhooks.a_forged_webhook_is_refused_and_not_stored",
    "RB6": "webhooks.a_signed_body_that_is_no_event_of_ours_is_refused_and_not_stored",
    "RB7": "webhooks.two_secrets_are_valid_while_one_replaces_the_other",
    "RB8": "webhooks.a_hundred_events_are_answered_while_nobody_works_them_off_and_drained_later",
    "RB9": "webhooks.a_poisoned_event_is_retried_dies_and_can_be_replayed_without_holding_up_others",
    "RB10": "buying.ten_parallel_checkouts_open_one_session",
    "RB11": "buying.the_same_key_replays_a_checkout_and_another_body_is_refused",
    "RB12": "recovery.a_refund_whose_answer_was_lost_for_a_day_is_found_and_not_made_again",
    "RB13": "buying.stripe_being_down_is_a_clear_problem_and_the_order_goes_on_later",
    "RB14": "subscriptions.two_refunds_at_once_never_give_back_more_than_was_paid",
    "RB15": "grants.refunds_and_a_lost_dispute_take_each_unit_back_once",
    "RB17": "periods.stripe_s_months_and_the_limits_months_end_at_the_same_moments",
    "RB18": "going_up_and_down.no_way_of_going_up_and_down_yields_more_than_was_paid_for",
    "RB19": "dunning.every_attempt_is_recorded_and_told_once_and_the_last_one_says_so",
    "RB20": "currencies.a_plan_is_sold_renewed_and_refunded_in_its_own_currency",
    "RB22": "buying.somebody_elses_money_is_not_found",
    "RB23": "invariants.a_seeded_corruption_raises_exactly_its_alarm",
    "RB24": "secrecy.the_log_of_a_whole_life_holds_no_secret_and_no_payload",
    "RB25": "sdk_types.no_object_of_a_whole_life_differs_from_the_sdks_types",
}
# Holds and quotas are the jobs service's, and delivery is the backbone's.
SHOWN_ELSEWHERE = {
    "RB16": "jobs.test_grants.parallel_orders_spend_exactly_what_plan_and_grants_hold",
    "RB21": "chaos.test_bus_kills.twenty_four_kills_lose_nothing_double_nothing_and_keep_the_order",
}


def test_every_requirement_is_shown_here_or_elsewhere():
    assert SHOWN_BY.keys() | SHOWN_ELSEWHERE.keys() == {f"RB{number}" for number in range(1, 26)}


@pytest.mark.parametrize("requirement", SHOWN_ELSEWHERE)
def test_a_requirement_is_shown_by_a_test_of_another_service(requirement):
    module, _, name = SHOWN_ELSEWHERE[requirement].rpartition(".")
    assert callable(getattr(import_module(f"tests.{module}"), f"test_{name}"))


@pytest.mark.parametrize("requirement", SHOWN_BY)
def test_a_requirement_is_shown_by_a_test_that_exists(requirement):
    module, name = SHOWN_BY[requirement].split(".")
    assert callable(getattr(import_module(f"tests.billing.test_{module}"), f"test_{name}"))
