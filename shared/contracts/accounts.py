"""What accounts publishes: identities, sessions, and the steps of leaving."""

from uuid import UUID

from pydantic import AwareDatetime

from shared.events.event import Event

ACCOUNTS = ("accounts",)


class UserRegistered(Event, type="user.registered", publishers=ACCOUNTS, subject="user/{user_id}"):
    """A user confirmed their address for the first time. Nothing is published before that.

    `email_fingerprint` is a keyed hash of the alias-normalised address: equal for the same mailbox, useless otherwise.
    """

    user_id: UUID
    handle: str
    display_name: str
    locale: str
    referral_code: str | None = None
    click_id: str | None = None
    email_fingerprint: str
    registered_at: AwareDatetime


class UserEmailChanged(Event, type="user.email_changed", publishers=ACCOUNTS, subject="user/{user_id}"):
    """A user's confirmed address is now this one; also published at the first confirmation."""

    user_id: UUID
    email: str


class UserUpdated(Event, type="user.updated", publishers=ACCOUNTS, subject="user/{user_id}"):
    """A user's public face changed; `changed` names the fields."""

    user_id: UUID
    handle: str
    display_name: str
    changed: list[str]


class UserDisabled(Event, type="user.disabled", publishers=ACCOUNTS, subject="user/{user_id}"):
    """Staff closed the account; its sessions are over."""

    user_id: UUID
    reason: str


class UserEnabled(Event, type="user.enabled", publishers=ACCOUNTS, subject="user/{user_id}"):
    """Staff opened a disabled account again."""

    user_id: UUID
    reason: str


class UserRolesChanged(Event, type="user.roles_changed", publishers=ACCOUNTS, subject="user/{user_id}"):
    """The user's roles are now exactly these."""

    user_id: UUID
    roles: list[str]


class SessionRevoked(Event, type="session.revoked", publishers=ACCOUNTS, subject="user/{user_id}"):
    """These sessions ended, or all of the user's when `all` is true; their open streams must end too."""

    user_id: UUID
    session_ids: list[UUID] = []
    all: bool = False


class UserDeletionRequested(Event, type="user.deletion_requested", publishers=ACCOUNTS, subject="user/{user_id}"):
    """The grace period is over: each named service erases the user and answers with user.erased."""

    request_id: UUID
    user_id: UUID
    services: list[str]
    forum_content: str


class UserDeleted(Event, type="user.deleted", publishers=ACCOUNTS, subject="user/{user_id}"):
    """The last word about a user; `partial_services` did not confirm in time."""

    request_id: UUID
    user_id: UUID
    partial_services: list[str]


class UserExportRequested(Event, type="user.export_requested", publishers=ACCOUNTS, subject="user/{user_id}"):
    """A user asked for their data: each service uploads its part below `upload_prefix`."""

    request_id: UUID
    user_id: UUID
    upload_prefix: str
