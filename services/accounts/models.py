"""What accounts keeps: users and what hangs on them, and nothing of other services."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.database import new_metadata
from shared.events.tables import attach_plumbing

ACTIVE, DISABLED = "active", "disabled"
USER, ADMIN = "user", "admin"


class Base(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        str: Text,
        bytes: LargeBinary,
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
    }


def _user_key(**options: Any) -> Mapped[UUID]:
    return mapped_column(ForeignKey("users.id", ondelete="CASCADE"), **options)


class User(Base):
    """`email` is the address normalised, so that one mailbox is one user; `email_typed` is where mail goes.

    `version` grows with every published change and is the sequence of the user's events.
    """

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("email"),
        UniqueConstraint("handle"),
        UniqueConstraint("stripe_customer_id"),
        CheckConstraint("status IN ('active', 'disabled')", name="status"),
        Index("users_created_at_id_idx", "created_at", "id"),
        Index("users_unverified_idx", "created_at", postgresql_where=text("email_verified_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    email_typed: Mapped[str]
    email_verified_at: Mapped[datetime | None]
    password_hash: Mapped[str | None]
    password_changed_at: Mapped[datetime | None]
    display_name: Mapped[str]
    handle: Mapped[str]
    status: Mapped[str]
    roles: Mapped[list[str]]
    locale: Mapped[str]
    timezone: Mapped[str]
    stripe_customer_id: Mapped[str | None]
    referral_code: Mapped[str | None]
    referral_click_id: Mapped[str | None]
    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None


class UserSession(Base):
    """A signed-in device. Only the SHA-256 of its token is stored; the token was shown once."""

    __tablename__ = "user_sessions"
    __table_args__ = (
        UniqueConstraint("token"),
        Index("user_sessions_user_id_idx", "user_id", "created_at"),
        Index("user_sessions_expires_at_idx", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = _user_key()
    token_hash: Mapped[bytes] = mapped_column("token", comment="SHA-256 of the token")
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    idle_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None]
    ip: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str | None]
    device_label: Mapped[str]
    aal: Mapped[int] = mapped_column(SmallInteger)
    auth_time: Mapped[datetime]


class OneTimeToken(Base):
    """What a link in a mail proves. Consumed by deletion, so it works once."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        Index("one_time_tokens_user_id_idx", "user_id", "purpose"),
        Index("one_time_tokens_expires_at_idx", "expires_at"),
    )

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = _user_key()
    purpose: Mapped[str]
    expires_at: Mapped[datetime]


class KnownDevice(Base):
    """A browser its user has signed in from; it still gets in while strangers use up the account's tries."""

    __tablename__ = "known_devices"

    user_id: Mapped[UUID] = _user_key(primary_key=True)
    device_hash: Mapped[bytes] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class UserFactor(Base):
    """An authenticator app. It counts from `confirmed_at`; `last_step` is the newest step whose code was used."""

    __tablename__ = "user_factors"
    __table_args__ = (
        CheckConstraint("kind IN ('totp')", name="kind"),
        Index("user_factors_user_id_idx", "user_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = _user_key()
    kind: Mapped[str]
    name: Mapped[str]
    secret: Mapped[bytes] = mapped_column(comment="the seed, encrypted with ACCOUNTS_FACTOR_SECRET")
    last_step: Mapped[int] = mapped_column(BigInteger)
    confirmed_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class RecoveryCode(Base):
    """What lets a user in who lost their authenticator app, once. Only its SHA-256 is stored."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = _user_key(primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class LoginChallenge(Base):
    """A login whose password was right and whose second factor is still to come, for minutes and a few tries."""

    __tablename__ = "login_challenges"
    __table_args__ = (
        Index("login_challenges_user_id_idx", "user_id"),
        Index("login_challenges_expires_at_idx", "expires_at"),
    )

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = _user_key()
    password_hash: Mapped[str] = mapped_column(comment="the one that was right; the login is void once it changes")
    tries: Mapped[int] = mapped_column(SmallInteger)
    expires_at: Mapped[datetime]


class ApiKey(Base):
    """A key for programs. Its secret has 190 random bits, so a plain SHA-256 is enough.

    After a rotation the secret before it stays valid until `overlap_until`.
    """

    __tablename__ = "api_keys"
    __table_args__ = (Index("api_keys_user_id_idx", "user_id", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = _user_key()
    name: Mapped[str]
    secret_hash: Mapped[bytes]
    previous_secret_hash: Mapped[bytes | None]
    overlap_until: Mapped[datetime | None]
    last4: Mapped[str]
    scopes: Mapped[list[str]]
    tools: Mapped[list[str]]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    @property
    def prefix(self) -> str:
        return f"ak_live_{self.id}"


class Mail(Base):
    """A mail that was asked for, once per dedupe key."""

    __tablename__ = "mails"
    __table_args__ = (Index("mails_requested_at_idx", "requested_at"),)

    dedupe_key: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = _user_key(index=True)
    template: Mapped[str]
    requested_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class UsageEvent(Base):
    """One recorded use. The key is what makes a repeated delivery count once."""

    __tablename__ = "usage_events"
    __table_args__ = (
        Index("usage_events_user_id_metric_occurred_at_idx", "user_id", "metric", "occurred_at"),
        Index("usage_events_occurred_at_idx", "occurred_at"),
    )

    usage_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = _user_key()
    metric: Mapped[str]
    quantity: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[datetime]
    period_start: Mapped[datetime]


class UserUsageStats(Base):
    """A user's totals in one period. A new period is a new row, so no reset can race with counting."""

    __tablename__ = "user_usage_stats"
    __table_args__ = (UniqueConstraint("user_id", "period_start"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = _user_key()
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    ai_generations_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    studio_jobs_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    chat_messages_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    images_generated: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    export_seconds_used: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    voiceover_seconds_used: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    export_minutes_used: Mapped[Decimal] = mapped_column(
        Numeric, Computed("round(export_seconds_used / 60.0, 2)", persisted=True)
    )
    voiceover_minutes_used: Mapped[Decimal] = mapped_column(
        Numeric, Computed("round(voiceover_seconds_used / 60.0, 2)", persisted=True)
    )
    last_reset_at: Mapped[datetime] = mapped_column(Computed("period_start", persisted=True))
    updated_at: Mapped[datetime]


class UserPlan(Base):
    """What billing last said a user may do; here it only labels usage with its limits."""

    __tablename__ = "user_plan"

    user_id: Mapped[UUID] = _user_key(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    plan_id: Mapped[str]
    limits: Mapped[dict[str, Any]]
    period_anchor: Mapped[datetime]
    updated_at: Mapped[datetime]


class UserSubscription(Base):
    """A subscription as billing last told of it, for staff who look at the user; billing's word counts, not this."""

    __tablename__ = "user_subscriptions"

    subscription_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = _user_key(index=True)
    plan_id: Mapped[str]
    status: Mapped[str]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    cancel_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime]


class DeletionRequest(Base):
    """A user who wants to be forgotten. It outlives the user's row, as the proof of what was done."""

    __tablename__ = "deletion_requests"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'erasing', 'done', 'partial', 'cancelled')", name="state"),
        CheckConstraint("forum_content IN ('keep', 'blank')", name="forum_content"),
        Index(
            "deletion_requests_one_at_a_time",
            "user_id",
            unique=True,
            postgresql_where=text("state IN ('waiting', 'erasing')"),
        ),
        Index("deletion_requests_due_idx", "execute_after", postgresql_where=text("state IN ('waiting', 'erasing')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    state: Mapped[str]
    forum_content: Mapped[str]
    requested_at: Mapped[datetime]
    execute_after: Mapped[datetime]
    begun_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class DeletionConfirmation(Base):
    """A service has erased the user; `counts` by kind of thing."""

    __tablename__ = "deletion_confirmations"

    request_id: Mapped[UUID] = mapped_column(ForeignKey("deletion_requests.id", ondelete="CASCADE"), primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    counts: Mapped[dict[str, Any]]
    confirmed_at: Mapped[datetime]


attach_plumbing(Base.metadata)
