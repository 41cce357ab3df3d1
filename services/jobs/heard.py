"""What jobs hears, and who handles it."""

from services.jobs import handlers
from shared.contracts import accounts, billing
from shared.events.event import on

HEARD = (
    on(billing.EntitlementChanged, handlers.keep_entitlement, consumer="entitlements"),
    on(accounts.UserRegistered, handlers.welcome_user, consumer="registrations"),
    on(accounts.UserDisabled, handlers.lock_out, consumer="access", ordered=True),
    on(accounts.UserEnabled, handlers.let_in, consumer="access", ordered=True),
    on(accounts.UserDeletionRequested, handlers.erase_user, consumer="erasure"),
    on(accounts.UserDeleted, handlers.erase_user, consumer="erasure"),
    on(accounts.SessionRevoked, handlers.end_streams, consumer="sessions"),
)
