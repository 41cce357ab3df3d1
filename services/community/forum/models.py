"""The forum's tables. Removed rows stay, marked, so that threads keep their shape and staff can look."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Computed,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from services.community.models import Base, Dated, Versioned, one_of

VISIBLE, DELETED, REMOVED = "visible", "deleted", "removed"
POST_STATUSES = (VISIBLE, DELETED, REMOVED)
KINDS = ("discussion", "question")
WATCHING, MUTED = "watching", "muted"
LEVELS = (WATCHING, MUTED)
OPEN, UPHELD, DISMISSED = "open", "upheld", "dismissed"
REPORT_STATES = (OPEN, UPHELD, DISMISSED)
REPORT_REASONS = ("spam", "abuse", "off_topic", "illegal", "other")
NOTICES = ("mention", "reply", "comment", "accepted", "removed")
# A reply to a comment at this depth becomes its sibling: deeper trees only hurt those who read them.
MAX_DEPTH = 8
# It changes only when a vote changes the score, so a cursor on it stays valid and no job recomputes it.
HOT = (
    "sign(score::double precision) * log(greatest(abs(score), 1)::double precision)"
    " + extract(epoch FROM created_at AT TIME ZONE 'UTC')::double precision / 45000"
)
# English stemming suits most posts and leaves the words of other languages whole.
SEARCHABLE_TOPIC = (
    "setweight(to_tsvector('english'::regconfig, title), 'A')"
    " || setweight(to_tsvector('english'::regconfig, content), 'B')"
)


class Category(Base):
    __tablename__ = "forum_categories"

    slug: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str]
    position: Mapped[int] = mapped_column(Integer)


class Post(Dated, Versioned):
    """What topics and comments have in common. `revision` counts edits of the text and is the ETag."""

    user_id: Mapped[UUID] = mapped_column(index=True)
    content: Mapped[str]
    content_html: Mapped[str]
    renderer_version: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(server_default=text("'visible'"), default=VISIBLE)
    score: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    # How many direct answers there ever were: the next one's place in the tree.
    replies: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    revision: Mapped[int] = mapped_column(Integer, server_default=text("1"), default=1)
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    deleted_by: Mapped[UUID | None]
    delete_reason: Mapped[str | None]


class Topic(Post, Base):
    __tablename__ = "forum_topics"
    __table_args__ = (
        CheckConstraint(one_of("status", POST_STATUSES), "status"),
        CheckConstraint(one_of("kind", KINDS), "kind"),
        Index(
            "forum_topics_new_idx",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("status = 'visible'"),
        ),
        Index("forum_topics_hot_idx", text("hot DESC"), text("id DESC"), postgresql_where=text("status = 'visible'")),
        Index("forum_topics_top_idx", text("score DESC"), text("id DESC"), postgresql_where=text("status = 'visible'")),
        Index(
            "forum_topics_active_idx",
            text("last_activity_at DESC"),
            text("id DESC"),
            postgresql_where=text("status = 'visible'"),
        ),
        Index(
            "forum_topics_unanswered_idx",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("status = 'visible' AND comment_count = 0 AND accepted_comment_id IS NULL"),
        ),
        Index("forum_topics_category_idx", "category", text("created_at DESC")),
        Index("forum_topics_tags_idx", "tags", postgresql_using="gin"),
        Index("forum_topics_tsv_idx", "tsv", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str]
    slug: Mapped[str]
    category: Mapped[str] = mapped_column(ForeignKey("forum_categories.slug"))
    tags: Mapped[list[str]]
    kind: Mapped[str]
    locked: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    pinned: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    # No foreign key: the comment's own key to its topic already points the other way.
    accepted_comment_id: Mapped[UUID | None]
    views: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    comment_count: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    last_activity_at: Mapped[datetime]
    hot: Mapped[float] = mapped_column(Double, Computed(HOT, persisted=True))
    tsv: Mapped[str] = mapped_column(TSVECTOR, Computed(SEARCHABLE_TOPIC, persisted=True), deferred=True)


class Comment(Post, Base):
    """`path` is one 4-byte ordinal per level, so that byte order is the order of a tree read from the top."""

    __tablename__ = "forum_comments"
    __table_args__ = (
        CheckConstraint(one_of("status", POST_STATUSES), "status"),
        CheckConstraint(f"depth BETWEEN 0 AND {MAX_DEPTH}", "depth"),
        UniqueConstraint("topic_id", "path"),
        Index("forum_comments_new_idx", "topic_id", "created_at", "id"),
        Index("forum_comments_top_idx", "topic_id", "score", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    topic_id: Mapped[UUID] = mapped_column(ForeignKey("forum_topics.id", ondelete="CASCADE"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("forum_comments.id", ondelete="CASCADE"), index=True)
    path: Mapped[bytes] = mapped_column(LargeBinary)
    depth: Mapped[int] = mapped_column(Integer)


class Revision:
    """The words of a post before an edit: `revision` is the post's own then, `written_at` when they were written."""

    revision: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[str]
    written_at: Mapped[datetime]


class TopicRevision(Revision, Base):
    __tablename__ = "topic_revisions"

    post_id: Mapped[UUID] = mapped_column(
        ForeignKey("forum_topics.id", ondelete="CASCADE"), primary_key=True, sort_order=-1
    )
    title: Mapped[str]


class CommentRevision(Revision, Base):
    __tablename__ = "comment_revisions"

    post_id: Mapped[UUID] = mapped_column(
        ForeignKey("forum_comments.id", ondelete="CASCADE"), primary_key=True, sort_order=-1
    )


class TopicVote(Base):
    __tablename__ = "topic_votes"

    post_id: Mapped[UUID] = mapped_column(ForeignKey("forum_topics.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    created_at: Mapped[datetime]


class CommentVote(Base):
    __tablename__ = "comment_votes"

    post_id: Mapped[UUID] = mapped_column(ForeignKey("forum_comments.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    created_at: Mapped[datetime]


class TopicView(Base):
    """Who looked at what on which day, as a hash that changes daily. UNLOGGED: a crash may lose uncounted views."""

    __tablename__ = "topic_view_buffer"
    __table_args__ = (
        Index("topic_view_buffer_waiting_idx", "topic_id", postgresql_where=text("NOT counted")),
        {"prefixes": ["UNLOGGED"]},
    )

    topic_id: Mapped[UUID] = mapped_column(ForeignKey("forum_topics.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    viewer: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    counted: Mapped[bool] = mapped_column(server_default=text("false"))


class Subscription(Base):
    """Who hears of comments in a topic from `created_at` on. Muting outlasts taking part."""

    __tablename__ = "topic_subscriptions"
    __table_args__ = (CheckConstraint(one_of("level", LEVELS), "level"),)

    topic_id: Mapped[UUID] = mapped_column(ForeignKey("forum_topics.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    level: Mapped[str]
    created_at: Mapped[datetime]


class Notification(Base):
    """One per user and event, however often the event is heard. The words stay where they are, so that removing a post
    removes what notifications say of it."""

    __tablename__ = "notifications"
    __table_args__ = (
        CheckConstraint(one_of("kind", NOTICES), "kind"),
        UniqueConstraint("user_id", "event_id"),
        Index("notifications_unseen_idx", "user_id", postgresql_where=text("seen_at IS NULL")),
        Index("notifications_user_id_id_idx", "user_id", text("id DESC")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    kind: Mapped[str]
    actor_id: Mapped[UUID]
    topic_id: Mapped[UUID] = mapped_column(ForeignKey("forum_topics.id", ondelete="CASCADE"), index=True)
    comment_id: Mapped[UUID | None] = mapped_column(ForeignKey("forum_comments.id", ondelete="CASCADE"), index=True)
    event_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(index=True)
    seen_at: Mapped[datetime | None]


class NotificationSettings(Base):
    """Kinds of news that a user does not want; without a row they want all of them."""

    __tablename__ = "notification_settings"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    unwanted: Mapped[list[str]]
    updated_at: Mapped[datetime]


class ModerationEntry(Base):
    """What moderators did to whose post. No foreign keys: the log outlives what it tells of."""

    __tablename__ = "moderation_log"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_id: Mapped[UUID]
    action: Mapped[str]
    # Null when the step is about the user and not about a post of theirs.
    topic_id: Mapped[UUID | None] = mapped_column(index=True)
    comment_id: Mapped[UUID | None]
    author_id: Mapped[UUID]
    reason: Mapped[str | None]
    created_at: Mapped[datetime]


class Report(Base):
    """A reader's complaint about a post: one per reader and post, a topic's own when `comment_id` is null."""

    __tablename__ = "post_reports"
    __table_args__ = (
        CheckConstraint(one_of("state", REPORT_STATES), "state"),
        CheckConstraint(one_of("reason", REPORT_REASONS), "reason"),
        UniqueConstraint("topic_id", "comment_id", "reporter_id", postgresql_nulls_not_distinct=True),
        Index("post_reports_open_idx", "id", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    topic_id: Mapped[UUID] = mapped_column(ForeignKey("forum_topics.id", ondelete="CASCADE"))
    comment_id: Mapped[UUID | None] = mapped_column(ForeignKey("forum_comments.id", ondelete="CASCADE"), index=True)
    reporter_id: Mapped[UUID] = mapped_column(index=True)
    reason: Mapped[str]
    note: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=text("'open'"), default=OPEN)
    claimed_by: Mapped[UUID | None]
    claimed_at: Mapped[datetime | None]
    handled_by: Mapped[UUID | None]
    handled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
