"""What chat hears, and who handles it."""

from services.chat import handlers
from services.chat.known import STATUSES
from shared.contracts import accounts, billing, community, jobs
from shared.events.event import on

HEARD = (
    on(community.FaqItemPublished, handlers.publish_item, consumer="faq"),
    on(community.FaqItemUnpublished, handlers.withdraw_item, consumer="faq"),
    on(billing.EntitlementChanged, handlers.keep_entitlement, consumer="entitlements"),
    on(accounts.UserRegistered, handlers.welcome_user, consumer="registrations"),
    on(accounts.UserDisabled, handlers.lock_out, consumer="access", ordered=True),
    on(accounts.UserEnabled, handlers.let_in, consumer="access", ordered=True),
    on(accounts.UserUpdated, handlers.note_user, consumer="names"),
    *(on(fact, handlers.note_job, consumer="jobs", ordered=True) for fact in STATUSES),
    on(jobs.JobResultExpiring, handlers.note_expiry, consumer="jobs", ordered=True),
    on(jobs.JobResultExpired, handlers.note_expiry, consumer="jobs", ordered=True),
    on(jobs.BatchCompleted, handlers.note_batch, consumer="batches"),
    *(
        on(kind, handlers.erase_user, consumer="erasure")
        for kind in (accounts.UserDeletionRequested, accounts.UserDeleted)
    ),
    on(accounts.SessionRevoked, handlers.end_streams, consumer="sessions"),
)
