"""Who tells and who hears each event, by the contract: no row is forgotten, nobody hears more than is agreed."""

import pytest

from deploy.services import SERVICES

# type: publishers > consumers
CONTRACT = """
user.registered: accounts > billing chat community jobs
user.email_changed: accounts > billing
user.updated: accounts > chat community
user.disabled: accounts > billing chat community jobs
user.enabled: accounts > billing chat community jobs
user.roles_changed: accounts > community
session.revoked: accounts > chat community jobs
user.deletion_requested: accounts > billing chat community jobs
user.deleted: accounts > billing chat community jobs
user.export_requested: accounts > billing chat community jobs
user.erased: billing chat community jobs > accounts
user.export_part_ready: billing chat community jobs > accounts
user.stripe_customer_bound: billing > accounts
payment.paid: billing > community
payment.failed: billing >
payment.refunded: billing > community
payment.refund_reverted: billing > community
payment.disputed: billing > community
payment.dispute_closed: billing > community
subscription.activated: billing > accounts
subscription.renewed: billing > accounts
subscription.plan_changed: billing > accounts
subscription.past_due: billing > accounts
subscription.recovered: billing > accounts
subscription.paused: billing > accounts
subscription.resumed: billing > accounts
subscription.cancel_scheduled: billing > accounts
subscription.cancel_undone: billing > accounts
subscription.trial_ending: billing > accounts
subscription.ended: billing > accounts
entitlement.changed: billing > accounts chat community jobs
billing.drift_found: billing >
job.created: jobs > chat
job.started: jobs > chat
job.retry_scheduled: jobs > chat
job.completed: jobs > chat
job.failed: jobs > chat
job.cancelled: jobs > chat
job.result_expiring: jobs > chat
job.result_expired: jobs > chat
batch.completed: jobs > chat
usage.recorded: chat jobs > accounts
usage.threshold_reached: chat jobs >
chat.session_started: chat >
chat.session_claimed: chat >
chat.session_ended: chat >
chat.message_completed: chat >
chat.feedback_given: chat >
chat.handoff_requested: chat >
chat.handoff_accepted: chat >
chat.handoff_released: chat >
faq.item_published: community > chat
faq.item_unpublished: community > chat
forum.topic_created: community > community
forum.topic_removed: community > community
forum.comment_created: community > community
forum.answer_accepted: community > community
affiliate.approved: community >
affiliate.suspended: community >
referral.attributed: community > billing
referral.rejected: community > billing
referral.converted: community > billing
commission.accrued: community >
commission.reversed: community >
commission.approved: community >
payout.created: community >
payout.paid: community >
payout.failed: community >
mail.requested: accounts billing chat community jobs > accounts
"""
ROWS = [line.split(": ") for line in CONTRACT.split("\n") if line]
# Exporting what is known of a user is agreed and not built.
NOT_BUILT = {"user.export_requested", "user.export_part_ready"}
# Every service may ask for mails; chat has nothing to write about.
WITHOUT_MAILS = {"chat"}


@pytest.mark.parametrize(("kind", "agreed"), ROWS, ids=[kind for kind, _ in ROWS])
def test_an_event_is_told_and_heard_by_whom_the_contract_names(kind, agreed):
    told, _, heard = agreed.partition(">")
    publishers = {each.name for each in SERVICES if kind in {event.event_type for event in each.publishes}}
    consumers = {each.name for each in SERVICES if kind in {entry.event.event_type for entry in each.subscribes}}
    if kind in NOT_BUILT:
        assert (publishers, consumers) == (set(), set()), "it is built: take it off the list"
        return
    silent = WITHOUT_MAILS if kind == "mail.requested" else set()
    assert (publishers, consumers) == (set(told.split()) - silent, set(heard.split()))


def test_nobody_tells_or_hears_what_is_not_in_the_contract():
    known = {kind for kind, _ in ROWS}
    for service in SERVICES:
        assert {event.event_type for event in service.publishes} <= known
        assert {entry.event.event_type for entry in service.subscribes} <= known
