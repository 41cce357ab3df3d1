"""The tables. Asking and answering live in SQL functions (`migrations/sql`), since each is one statement or none."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, REAL, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.database import new_metadata
from shared.events.tables import attach_plumbing
from shared.grants import attach_grant_draws

ZERO, ONE = text("0"), text("1")


# A conversation's context is small facts, not a file.
MAX_CONTEXT_BYTES = 16 * 1024


class Base(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        str: Text(),
        bytes: LargeBinary(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        int: BigInteger(),
        float: REAL(),
    }


class ChatSession(Base):
    """A conversation of a visitor (a token) or of a user; a claim turns the one into the other, once."""

    __tablename__ = "chat_sessions"
    __table_args__ = (
        CheckConstraint("user_id IS NOT NULL OR session_token IS NOT NULL", name="has_owner"),
        CheckConstraint("mode IN ('BOT', 'WAITING_HUMAN', 'HUMAN')", name="mode"),
        CheckConstraint("(mode = 'HUMAN') = (agent_id IS NOT NULL)", name="agent_is_human"),
        Index("chat_sessions_user_id_last_activity_at_idx", "user_id", "last_activity_at", "id"),
        Index("chat_sessions_last_activity_at_idx", "last_activity_at", "id"),
        Index("chat_sessions_mode_idx", "mode", "last_activity_at", "id", postgresql_where=text("mode <> 'BOT'")),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID | None]
    session_token: Mapped[bytes | None] = mapped_column(
        unique=True, comment="SHA-256 of the visitor's token; the token itself is shown once"
    )
    claimed_token: Mapped[bytes | None] = mapped_column(
        unique=True,
        comment="SHA-256 of the token that claimed it: it opens nothing, a repeated claim is recognised by it",
    )
    title: Mapped[str | None]
    context: Mapped[dict[str, Any]]
    locale: Mapped[str]
    mode: Mapped[str] = mapped_column(server_default=text("'BOT'"), default="BOT")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    last_seq: Mapped[int] = mapped_column(server_default=ZERO, default=0)
    message_count: Mapped[int] = mapped_column(server_default=ZERO, default=0)
    version: Mapped[int] = mapped_column(server_default=ONE, default=1)
    edits: Mapped[int] = mapped_column(server_default=ONE, default=1)
    created_at: Mapped[datetime]
    last_activity_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    agent_id: Mapped[UUID | None] = mapped_column(comment="who of the staff has taken over; null unless mode is HUMAN")


class ChatMessage(Base):
    __tablename__ = "chat_messages"
    __table_args__ = (
        UniqueConstraint("chat_session_id", "seq", name="chat_messages_chat_session_id_seq_key"),
        UniqueConstraint(
            "chat_session_id", "client_message_id", name="chat_messages_chat_session_id_client_message_id_key"
        ),
        CheckConstraint("role IN ('USER', 'ASSISTANT', 'SYSTEM')", name="role"),
        CheckConstraint("status IN ('COMPLETE', 'STREAMING', 'STOPPED', 'FAILED')", name="status"),
        CheckConstraint("(status = 'STREAMING') = (lease_until IS NOT NULL)", name="lease_is_whole"),
        Index(
            "chat_messages_one_answer_at_a_time",
            "chat_session_id",
            unique=True,
            postgresql_where=text("status = 'STREAMING'"),
        ),
        Index("chat_messages_lease_until_idx", "lease_until", postgresql_where=text("status = 'STREAMING'")),
        Index("chat_messages_reply_to_idx", "reply_to", postgresql_where=text("reply_to IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    chat_session_id: Mapped[UUID] = mapped_column(ForeignKey("chat_sessions.id", ondelete="CASCADE"))
    seq: Mapped[int]
    role: Mapped[str]
    client_message_id: Mapped[str | None]
    content: Mapped[str]
    status: Mapped[str]
    finish_reason: Mapped[str | None]
    error_code: Mapped[str | None]
    citations: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    provider: Mapped[str | None]
    model: Mapped[str | None]
    reply_to: Mapped[UUID | None]
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    payer_id: Mapped[UUID | None] = mapped_column(
        comment="whose quota holds this answer until it ends; null for visitors"
    )
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    author_id: Mapped[UUID | None] = mapped_column(comment="who of the staff wrote this; null for the assistant")


class StreamChunk(Base):
    """The log that readers tail; unlogged, since losing it costs a resume and never a message."""

    __tablename__ = "chat_stream_chunks"
    __table_args__ = {"prefixes": ["UNLOGGED"]}

    message_id: Mapped[UUID] = mapped_column(ForeignKey("chat_messages.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    delta: Mapped[str]
    tool: Mapped[dict[str, Any] | None] = mapped_column(comment="what the assistant looked up; such a row adds no text")


class Feedback(Base):
    __tablename__ = "chat_feedback"
    __table_args__ = (CheckConstraint("rating IN ('up', 'down')", name="rating"),)

    message_id: Mapped[UUID] = mapped_column(ForeignKey("chat_messages.id", ondelete="CASCADE"), primary_key=True)
    rating: Mapped[str]
    reason: Mapped[str | None]
    comment: Mapped[str | None]
    created_at: Mapped[datetime]


class UnansweredQuestion(Base):
    """What the FAQ lacks; gone with the conversation it was asked in."""

    __tablename__ = "unanswered_questions"
    __table_args__ = (Index("unanswered_questions_created_at_idx", "created_at", "message_id"),)

    message_id: Mapped[UUID] = mapped_column(ForeignKey("chat_messages.id", ondelete="CASCADE"), primary_key=True)
    question: Mapped[str]
    locale: Mapped[str]
    best_score: Mapped[float | None]
    created_at: Mapped[datetime]


class FaqEntry(Base):
    """Community's FAQ as its events tell it; unpublished items stay, so that an older event can't bring them back."""

    __tablename__ = "faq_entries"
    __table_args__ = (Index("faq_entries_words_idx", "words", postgresql_using="gin"),)

    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    is_published: Mapped[bool]
    locale: Mapped[str]
    category: Mapped[str]
    question: Mapped[str]
    answer: Mapped[str]
    updated_at: Mapped[datetime]
    words: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed("to_tsvector('english'::regconfig, question || ' '::text || answer)", persisted=True),
        nullable=True,
        deferred=True,
    )


class Embedding(Base):
    """What the model made of a text of the FAQ, so that a start need not make it again; nothing that users wrote."""

    __tablename__ = "embeddings"

    model: Mapped[str] = mapped_column(primary_key=True)
    text_hash: Mapped[bytes] = mapped_column(primary_key=True, comment="SHA-256 of the text")
    vector: Mapped[bytes] = mapped_column(comment="384 little-endian floats of 4 bytes")


class StreamEnd(Base):
    """An order to end the open streams of a user's session, or of all of them when `session_id` is null."""

    __tablename__ = "stream_ends"
    __table_args__ = (Index("stream_ends_user_id_ended_at_idx", "user_id", "ended_at"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    user_id: Mapped[UUID]
    session_id: Mapped[UUID | None]
    ended_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Entitlement(Base):
    """What billing last said about a user, or the free plan by our own defaults (version 0)."""

    __tablename__ = "entitlements"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(
        comment="0 until billing has spoken: the free plan by our own defaults",
    )
    plan_id: Mapped[str]
    limits: Mapped[dict[str, Any]]
    grants: Mapped[list[Any]]
    period_anchor: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    access_version: Mapped[int] = mapped_column(
        server_default=ZERO, comment="the version of the user at which accounts last closed or opened the account"
    )


class UsageCounter(Base):
    __tablename__ = "usage_counters"
    __table_args__ = (
        CheckConstraint("used >= 0 AND reserved >= 0", name="never_negative"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    period_start: Mapped[datetime] = mapped_column(primary_key=True)
    period_end: Mapped[datetime]
    used: Mapped[int] = mapped_column(server_default=ZERO)
    reserved: Mapped[int] = mapped_column(server_default=ZERO)
    lim: Mapped[int]
    notices: Mapped[int] = mapped_column(server_default=ZERO)
    drawn: Mapped[int] = mapped_column(server_default=ZERO)
    plan_lim: Mapped[int] = mapped_column(server_default=ZERO)


class ErasedUser(Base):
    """The tombstone of a user: what is heard of them later is not kept."""

    __tablename__ = "erased_users"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime]


class KnownUser(Base):
    """A user as accounts last named them; `version` is the sequence of that event."""

    __tablename__ = "known_users"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    handle: Mapped[str]
    display_name: Mapped[str]
    version: Mapped[int]


class KnownJob(Base):
    """A job as jobs last told of it."""

    __tablename__ = "known_jobs"
    __table_args__ = (
        Index("known_jobs_user_id_ordered_at_idx", "user_id", "ordered_at"),
        Index("known_jobs_updated_at_idx", "updated_at"),
    )

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    tool: Mapped[str]
    status: Mapped[str]
    error_code: Mapped[str | None]
    run_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    is_expired: Mapped[bool] = mapped_column(server_default=text("false"))
    ordered_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class KnownBatch(Base):
    """A batch that is over, with how many of its jobs ended how."""

    __tablename__ = "known_batches"
    __table_args__ = (
        Index("known_batches_user_id_completed_at_idx", "user_id", "completed_at"),
        Index("known_batches_completed_at_idx", "completed_at"),
    )

    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    counts: Mapped[dict[str, Any]]
    completed_at: Mapped[datetime]


attach_plumbing(Base.metadata)
attach_grant_draws(Base.metadata)
