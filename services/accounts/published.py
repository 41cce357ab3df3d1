"""What accounts tells; each event is published by a use case."""

from shared.contracts import accounts as events
from shared.contracts.common import MailRequested

PUBLISHED = (
    events.SessionRevoked,
    events.UserDeleted,
    events.UserDeletionRequested,
    events.UserDisabled,
    events.UserEmailChanged,
    events.UserEnabled,
    events.UserRegistered,
    events.UserRolesChanged,
    events.UserUpdated,
    MailRequested,
)
