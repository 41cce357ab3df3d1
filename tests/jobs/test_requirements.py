"""R1 to R25 as far as they concern jobs, and the tests that show each. One that is renamed or lost is missed here."""

from importlib import import_module

import pytest

WITHOUT_BROKER = "chaos.test_jobs_without_a_broker"
SHOWN_BY = {
    "R1": ("chaos.test_jobs.every_accepted_job_ends_exactly_once_whatever_happens_to_its_workers",),
    "R2": (
        "chaos.test_jobs.a_frozen_runner_that_wakes_up_late_changes_nothing",
        "jobs.test_queue.a_zombie_s_late_result_is_refused",
        "jobs.test_files.uploads_that_were_never_completed_and_results_of_nobody_are_swept",
    ),
    "R3": (
        "chaos.test_jobs.every_accepted_job_ends_exactly_once_whatever_happens_to_its_workers",
        "jobs.test_queue.a_tenant_never_runs_more_than_the_plan_allows",
        "jobs.test_operator.reconcile_reports_zero_and_finds_a_counter_that_drifted",
    ),
    "R4": (
        "jobs.test_queue.whoever_orders_little_waits_at_most_one_job_of_each_active_tenant",
        "jobs.test_queue.two_backlogged_tenants_never_drift_apart",
    ),
    "R5": ("jobs.test_queue.idling_banks_no_credit", "jobs.test_queue.weights_are_shares"),
    "R6": (
        "jobs.test_runner.cancelling_kills_everything_the_work_started",
        "jobs.test_runner.cancelling_a_render_leaves_neither_ffmpeg_nor_a_file",
        "jobs.test_runner.a_render_whose_lease_is_taken_away_stops_and_leaves_nothing",
        "chaos.test_jobs.when_everything_but_the_grandchild_is_killed_the_next_start_sweeps_it",
    ),
    "R7": ("chaos.test_jobs.a_runner_that_is_killed_takes_all_its_work_along_and_the_job_runs_again",),
    "R8": ("jobs.test_runner.a_poisonous_job_stops_and_others_keep_flowing",),
    "R9": (f"{WITHOUT_BROKER}.jobs_run_while_the_broker_is_gone_and_are_told_of_in_order_once_when_it_is_back",),
    "R10": ("chaos.test_jobs.a_database_that_restarts_under_load_loses_and_doubles_nothing",),
    "R11": (
        "jobs.test_orders.forty_orders_with_one_key_are_one_job",
        "jobs.test_orders.a_key_is_replayed_after_a_restart",
    ),
    "R12": (
        "jobs.test_quota.two_hundred_orders_at_a_limit_of_fifty_are_exactly_fifty_jobs",
        "jobs.test_quota.failed_and_cancelled_jobs_cost_nothing",
        "jobs.test_quota.held_and_used_always_add_up",
    ),
    "R19": (
        "jobs.test_webhooks.an_ending_is_told_once_and_its_signature_verifies",
        "jobs.test_webhooks.a_name_that_leads_to_a_private_address_is_never_connected_to",
        "jobs.test_webhooks.a_redirect_is_not_followed",
        "jobs.test_webhooks.410_disables_the_endpoint_and_ends_what_waits_for_it",
    ),
    "R20": (
        "jobs.test_files.a_hostile_file_is_refused_and_can_not_be_used",
        "jobs.test_runner.an_engine_can_not_hand_out_files_from_elsewhere",
        "jobs.engines.test_media.a_bomb_is_too_large",
        "jobs.engines.test_films.a_playlist_in_disguise_opens_nothing",
        "jobs.engines.test_films.a_film_that_was_cut_off_is_refused",
        "jobs.engines.test_films.what_is_too_long_or_too_large_is_refused_before_any_work",
        "jobs.engines.test_ffmpeg.a_film_that_is_broken_in_the_middle_is_the_films_fault",
    ),
    "R21": (
        "jobs.test_runner.a_meme_runs_from_order_to_file",
        "jobs.test_runner.studio_tools_run_from_order_to_files",
        "jobs.engines.test_memes.the_same_seed_gives_the_same_pixels",
        "jobs.engines.test_moving_memes.a_film_has_the_size_the_pace_and_the_length_it_says_and_ends_as_the_still_meme",
        "jobs.engines.test_audio_mix.a_mix_is_as_loud_as_speech_should_be_and_no_peak_is_over_the_ceiling",
        "jobs.engines.test_audio_mix.music_is_softer_by_what_was_asked_while_the_voice_is_heard_and_comes_back",
        "jobs.engines.test_thumbnail.the_picture_is_the_one_of_that_moment",
        "jobs.engines.test_video_editor.each_frame_is_where_the_timeline_says",
        "jobs.engines.test_video_editor.the_sound_is_as_loud_as_platforms_want_it_and_silent_where_nothing_is_said",
        "jobs.engines.test_subtitles.what_is_said_is_recognised_and_stands_there_when_it_is_said",
    ),
    "R22": (
        "jobs.test_events.every_event_reads_as_its_contract_and_is_written_the_same_way",
        "jobs.test_contract.exactly_what_is_built_is_documented",
        "jobs.test_fuzz.any_input_gets_a_documented_answer",
    ),
    "R23": (
        "jobs.test_events.a_result_is_there_until_its_time_is_over",
        "jobs.test_events.the_owner_is_warned_by_one_mail_however_many_results_expire",
        "jobs.test_orders.a_deleted_job_leaves_only_its_use",
    ),
    "R24": (
        "chaos.test_jobs.a_rolling_restart_under_load_loses_nothing_and_burns_no_attempt",
        "jobs.test_runner.a_draining_runner_finishes_what_is_short_and_hands_back_what_is_long",
    ),
}
# The streams of an answer, its memory and its questions are the chat's, and shown by its own tests.
OF_CHAT = {"R13", "R14", "R15", "R16", "R17", "R18", "R25"}


def test_every_requirement_is_shown_here_or_by_the_chat():
    assert SHOWN_BY.keys() | OF_CHAT == {f"R{number}" for number in range(1, 26)}


@pytest.mark.parametrize("requirement", SHOWN_BY)
def test_a_requirement_is_shown_by_tests_that_exist(requirement):
    for shown_by in SHOWN_BY[requirement]:
        module, _, name = shown_by.rpartition(".")
        assert callable(getattr(import_module(f"tests.{module}"), f"test_{name}")), shown_by
