"""What the community hears, and who handles it."""

from services.community import handlers
from shared.contracts import accounts, billing, community
from shared.events.event import on

HEARD = (
    on(accounts.UserRegistered, handlers.note_registration, consumer="registrations"),
    on(accounts.UserUpdated, handlers.note_update, consumer="profiles"),
    on(accounts.UserDisabled, handlers.lock_out, consumer="access", ordered=True),
    on(accounts.UserEnabled, handlers.let_in, consumer="access", ordered=True),
    on(accounts.UserRolesChanged, handlers.note_roles, consumer="profiles"),
    on(accounts.UserDeletionRequested, handlers.erase_user, consumer="erasure"),
    on(accounts.UserDeleted, handlers.erase_user, consumer="erasure"),
    on(accounts.SessionRevoked, handlers.end_streams, consumer="sessions"),
    on(billing.EntitlementChanged, handlers.note_plan, consumer="entitlements"),
    on(community.ForumTopicRemoved, handlers.tell_of_removal, consumer="notifications"),
    on(community.ForumTopicCreated, handlers.tell_of_topic, consumer="notifications"),
    on(community.ForumCommentCreated, handlers.tell_of_comment, consumer="notifications"),
    on(community.ForumAnswerAccepted, handlers.tell_of_acceptance, consumer="notifications"),
    on(billing.PaymentPaid, handlers.record_payment),
    *(on(kind, handlers.record_refund) for kind in (billing.PaymentRefunded, billing.PaymentRefundReverted)),
    *(on(kind, handlers.record_dispute) for kind in (billing.PaymentDisputed, billing.PaymentDisputeClosed)),
)
