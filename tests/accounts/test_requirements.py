"""Each requirement on identity and on the plumbing beneath it, and the tests that show it.

A1 to A20 are the reliability requirements of the accounts service; the phrases are what the service and the plumbing
were asked to do. A test that is renamed or lost is missed here.
"""

from importlib import import_module

import pytest

RELIABILITY = {
    "A1": "accounts.test_logins.the_time_of_a_failed_login_does_not_tell_whether_the_address_is_known",
    "A2": "accounts.test_registration.known_and_unknown_addresses_get_the_same_answer_and_no_mail_is_sent_within_it",
    "A3": "accounts.test_registration.twenty_sign_ups_of_one_address_at_once_make_one_user_and_look_alike",
    "A4": "accounts.test_one_time_tokens.of_twenty_parallel_uses_of_a_token_exactly_one_succeeds",
    "A5": "accounts.test_contract.neither_the_database_nor_the_logs_hold_a_secret_that_was_given_out",
    "A6": "accounts.test_sessions.one_the_others_and_all_sessions_can_be_ended_at_once",
    "A7": "accounts.test_sessions.changing_the_password_ends_the_other_sessions_and_tells_the_owner",
    "A8": "accounts.test_sessions.being_seen_is_written_at_most_every_five_minutes",
    "A9": "accounts.test_second_factors.of_parallel_uses_of_one_code_exactly_one_succeeds",
    "A10": "accounts.test_second_factors.no_way_in_leads_around_the_factor",
    "A11": "accounts.test_logins.an_owner_with_a_known_device_logs_in_while_strangers_use_up_the_account",
    "A12": "accounts.test_verification.a_forged_identity_token_is_refused_even_from_localhost",
    "A13": "architecture.test_manifests.every_route_names_its_policy_and_lies_under_the_service_s_paths",
    "A14": "accounts.test_signing_keys.rotations_under_load_fail_no_request",
    "A15": "http.test_ownership.somebody_elses_object_is_as_good_as_absent",
    "A19": "accounts.test_logins.a_flood_of_logins_is_turned_away_and_leaves_the_service_responsive",
    "A20": "accounts.test_verification.another_site_s_page_cannot_change_anything_with_a_user_s_cookie",
}
# Deletion (A16), export (A17) and quotas (A18) span services.
ELSEWHERE = {"A16", "A17", "A18"}

ACCOUNTS = {
    "sign up, verify, log in": "test_registration.a_new_user_signs_up_confirms_by_mail_logs_in_and_reads_themselves",
    "nothing is told before verification": (
        "test_registration.nothing_is_published_about_a_user_before_the_first_confirmation"
    ),
    "resend is limited per address": "test_registration.mails_to_one_address_are_limited_whether_or_not_it_is_known",
    "sign-ups are limited per network": (
        "test_registration.sign_ups_from_one_network_are_limited_and_other_networks_go_on"
    ),
    "aliases have one fingerprint": "test_registration.aliases_of_one_mailbox_have_one_fingerprint_and_others_another",
    "unverified users reach little": (
        "test_registration.a_user_who_has_not_confirmed_reaches_only_themselves_and_logout"
    ),
    "log out": "test_sessions.logging_out_ends_this_session_at_once_and_takes_the_cookie_away",
    "idle expiry": "test_sessions.an_idle_session_ends_after_two_weeks",
    "absolute expiry": "test_sessions.a_session_in_use_ends_after_ninety_days_all_the_same",
    "session list": "test_sessions.the_list_names_devices_and_marks_the_current_one",
    "a stranger's session": "test_sessions.a_stranger_s_session_is_not_there",
    "password change": "test_sessions.changing_the_password_needs_the_old_one_and_a_good_new_one",
    "reset ends sessions": (
        "test_one_time_tokens.a_reset_sets_the_password_ends_every_session_signs_nobody_in_and_tells_the_owner"
    ),
    "wrong purpose": "test_one_time_tokens.a_token_for_one_purpose_is_refused_for_another_and_stays_whole",
    "expired token": "test_one_time_tokens.a_confirmation_link_works_for_an_hour",
    "no enumeration by status or body": (
        "test_logins.an_unknown_address_a_wrong_password_and_a_closed_account_get_one_answer"
    ),
    "exact limits": "test_logins.the_limit_of_an_account_is_exact_under_parallel_tries",
    "networks with bad credentials": (
        "test_verification.a_network_that_tries_bad_credentials_is_slowed_and_good_ones_known_already_pass"
    ),
    "budget per principal": "test_verification.a_principal_over_its_budget_waits_and_others_do_not",
    "profile edits": "test_profiles.a_profile_changes_and_the_others_hear_what_is_public_of_it",
    "reserved handles": "test_profiles.what_cannot_be_shown_is_refused",
    "one handle, one owner": "test_profiles.of_parallel_claims_to_a_handle_one_wins",
    "public card": "test_profiles.anybody_may_see_a_card_and_nothing_private_is_on_it",
    "/_verify with aud": "test_verification.a_session_becomes_a_token_for_one_service_that_names_its_user",
    "no algorithm but ours": "test_verification.a_token_without_our_algorithm_is_refused",
    "revocation reaches other processes": "test_verification.a_revocation_in_another_process_is_heard_at_once",
    "JWKS with two keys": "test_signing_keys.two_public_keys_are_published_and_no_private_part",
    "rotation by replicas": "test_signing_keys.replicas_that_rotate_at_the_same_time_rotate_once",
    "rehash": "test_logins.a_hash_with_older_parameters_is_renewed_at_login",
    "bcrypt": "test_logins.an_imported_bcrypt_hash_lets_its_owner_in_and_is_replaced_by_argon2id",
    "bounded hashing": "test_logins.a_login_that_waits_too_long_for_its_hash_is_asked_to_come_back",
    "roles": "test_administration.roles_change_at_once_and_are_published",
    "reauth": "test_sessions.reauthentication_needs_the_password_and_is_limited",
    "freshness": "test_verification.an_admin_whose_login_is_older_than_ten_minutes_must_confirm_the_password",
    "first admin": "test_administration.the_first_admin_is_made_from_the_command_line_and_can_log_in",
    "key shown once": "test_api_keys.a_key_is_shown_once_and_then_only_by_its_ends",
    "key scopes": "test_api_keys.a_key_does_what_its_scopes_say_and_nothing_else",
    "rotation with overlap": ("test_api_keys.a_rotated_key_works_at_once_and_the_old_secret_until_the_overlap_ends"),
    "last used": "test_api_keys.last_use_is_noted_and_written_together_later",
    "key expiry": "test_api_keys.a_key_expires_when_it_said",
    "runner scope by admin only": "test_api_keys.only_an_administrator_makes_a_runner_key_and_it_names_its_tools",
    "usage is fed once": "test_usage.the_same_record_counts_once_under_any_event_id",
    "usage has no reset job": "test_usage.a_new_month_begins_at_zero_without_a_reset_job",
    "usage stays in its period": "test_usage.use_of_a_moment_before_the_roll_stays_in_the_old_period",
}

PLUMBING = {
    "problem+json with a request id": (
        "shared.test_requests.every_refusal_is_a_problem_with_a_request_id_and_no_internals"
    ),
    "413 of a chunked body": "shared.test_requests.a_chunked_body_over_the_limit_is_refused_too",
    "request ids": "shared.test_requests.a_well_formed_request_id_is_kept_and_a_forged_one_is_replaced",
    "read and write sessions": "shared.test_requests.a_read_session_cannot_write",
    "commit before the answer": "shared.test_requests.a_commit_that_fails_is_no_success_and_publishes_nothing",
    "idempotency keys": "shared.test_requests.the_same_key_and_body_replay_the_first_answer",
    "policies": "shared.test_requests.policies_open_to_exactly_whom_they_name",
    "one clock that tests own": (
        "shared.test_clock.a_clock_that_one_process_advances_is_advanced_for_all_and_stays_so"
    ),
    "health and metrics": "shared.test_requests.health_answers_and_metrics_are_text",
    "default secrets": "architecture.test_isolation.production_refuses_default_secrets_and_names_the_variable",
    "no secret in a line": "shared.test_logging.only_what_looks_like_a_secret_is_masked",
    "no secret in any log": "flows.test_secrecy.no_log_of_the_platform_holds_a_secret_or_a_mail_address",
    "the gateway's own log": (
        "gateway.test_conformance.what_caddy_logs_of_a_failed_request_has_no_credential_and_no_query"
    ),
}
SHOWN_BY = RELIABILITY | {name: f"accounts.{test}" for name, test in ACCOUNTS.items()} | PLUMBING


def test_every_reliability_requirement_has_its_place():
    assert RELIABILITY.keys() | ELSEWHERE == {f"A{number}" for number in range(1, 21)}


@pytest.mark.parametrize("requirement", SHOWN_BY)
def test_a_requirement_is_shown_by_a_test_that_exists(requirement):
    module, name = SHOWN_BY[requirement].rsplit(".", 1)
    assert callable(getattr(import_module(f"tests.{module}"), f"test_{name}"))
