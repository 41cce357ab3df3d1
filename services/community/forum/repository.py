"""Every SELECT of the forum. Readers see visible topics only; a removed comment is listed without its words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Double, Row, Select, case, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute

from services.community.errors import CommentNotFound, ReportNotFound, RevisionNotFound, TopicNotFound, UnknownCategory
from services.community.forum.models import (
    MUTED,
    REMOVED,
    VISIBLE,
    WATCHING,
    Category,
    Comment,
    CommentRevision,
    CommentVote,
    ModerationEntry,
    Notification,
    NotificationSettings,
    Report,
    Subscription,
    Topic,
    TopicRevision,
    TopicVote,
)
from shared.database import ReadSession, WriteSession
from shared.pagination import after

SORT_KEYS: dict[str, InstrumentedAttribute[Any]] = {
    "hot": Topic.hot,
    "new": Topic.created_at,
    "active": Topic.last_activity_at,
    "top": Topic.score,
}
TAGGED_TOPICS = 10_000
COMMENT_SORT_KEYS: dict[str, InstrumentedAttribute[Any]] = {"new": Comment.created_at, "top": Comment.score}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which topics of a list; None means all."""

    category: str | None = None
    tag: str | None = None
    author: UUID | None = None
    since: datetime | None = None
    unanswered: bool = False
    pinned: bool | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = [Topic.status == VISIBLE]
        if self.category is not None:
            wanted.append(Topic.category == self.category)
        if self.tag is not None:
            wanted.append(Topic.tags.contains([self.tag]))
        if self.author is not None:
            wanted.append(Topic.user_id == self.author)
        if self.since is not None:
            wanted.append(Topic.created_at >= self.since)
        if self.unanswered:
            wanted.extend((Topic.accepted_comment_id.is_(None), Topic.comment_count == 0))
        if self.pinned is not None:
            wanted.append(Topic.pinned.is_(self.pinned))
        return wanted


@dataclass(frozen=True, slots=True)
class Words:
    """What a post said in one revision; only topics have a title."""

    revision: int
    title: str | None
    content: str
    written_at: datetime


async def list_categories(session: ReadSession) -> Sequence[Category]:
    return (await session.scalars(select(Category).order_by(Category.position, Category.slug))).all()


async def find_category(session: ReadSession, slug: str) -> Category | None:
    return await session.get(Category, slug)


async def get_category(session: ReadSession, slug: str) -> Category:
    category = await find_category(session, slug)
    if category is None:
        raise UnknownCategory
    return category


async def list_topics(
    session: ReadSession, sort: str, wanted: Filter, values: Sequence[Any] | None, limit: int
) -> Sequence[Topic]:
    statement = select(Topic).where(*wanted.conditions())
    statement = after(statement, [SORT_KEYS[sort], Topic.id], values, descending=True)
    return (await session.scalars(statement.limit(limit + 1))).all()


async def list_tags(session: ReadSession, start: str, limit: int) -> Sequence[Row[Any]]:
    """Rows of tag, topics; the most used first. Only the newest topics count, so that the cost has a bound."""
    newest = select(Topic.tags).where(Topic.status == VISIBLE).order_by(Topic.created_at.desc(), Topic.id.desc())
    tag = func.unnest(newest.limit(TAGGED_TOPICS).subquery().c.tags).label("tag")
    tags = select(tag).subquery()
    count = func.count().label("topics")
    statement: Select[Any] = select(tags.c.tag, count).where(tags.c.tag.startswith(start, autoescape=True))
    statement = statement.group_by(tags.c.tag).order_by(count.desc(), tags.c.tag)
    rows: Sequence[Row[Any]] = (await session.execute(statement.limit(limit))).all()
    return rows


async def search_topics(
    session: ReadSession, words: str, wanted: Filter, values: Sequence[Any] | None, limit: int
) -> Sequence[Row[Any]]:
    """Topics that match, best first; rows of topic, rank. Any text is a valid query."""
    query = func.websearch_to_tsquery("english", words)
    rank = cast(func.ts_rank(Topic.tsv, query), Double)
    statement: Select[Any] = select(Topic, rank.label("rank")).where(*wanted.conditions(), Topic.tsv.op("@@")(query))
    rows: Sequence[Row[Any]] = (
        await session.execute(after(statement, [rank, Topic.id], values, descending=True).limit(limit + 1))
    ).all()
    return rows


async def get_topic(session: ReadSession, topic_id: UUID) -> Topic:
    return _visible_topic(await session.get(Topic, topic_id))


async def find_topic(session: ReadSession, topic_id: UUID) -> Topic | None:
    """The topic if readers can see it."""
    topic = await session.get(Topic, topic_id)
    return topic if topic is not None and topic.status == VISIBLE else None


async def lock_topic(session: WriteSession, topic_id: UUID) -> Topic:
    return _visible_topic(await session.get(Topic, topic_id, with_for_update=True, populate_existing=True))


async def lock_any_topic(session: WriteSession, topic_id: UUID) -> Topic:
    """The topic whatever its status."""
    topic = await session.get(Topic, topic_id, with_for_update=True, populate_existing=True)
    if topic is None:
        raise TopicNotFound
    return topic


def _visible_topic(topic: Topic | None) -> Topic:
    if topic is None or topic.status != VISIBLE:
        raise TopicNotFound
    return topic


async def find_comment(session: ReadSession, comment_id: UUID) -> Comment | None:
    return await session.get(Comment, comment_id)


async def get_comment(session: ReadSession, comment_id: UUID) -> Comment:
    """A visible comment of a visible topic."""
    statement = select(Comment).join(Topic, Topic.id == Comment.topic_id)
    comment = await session.scalar(
        statement.where(Comment.id == comment_id, Comment.status == VISIBLE, Topic.status == VISIBLE)
    )
    if comment is None:
        raise CommentNotFound
    return comment


async def lock_any_comment(session: WriteSession, comment_id: UUID) -> Comment:
    """A comment of a visible topic, whatever its own status. The topic is locked first, as by all who lock both."""
    topic_id = await session.scalar(select(Comment.topic_id).where(Comment.id == comment_id))
    topic = await session.get(Topic, topic_id, with_for_update=True, populate_existing=True) if topic_id else None
    if topic is None or topic.status != VISIBLE:
        raise CommentNotFound
    return await session.get_one(Comment, comment_id, with_for_update=True, populate_existing=True)


async def list_tree(session: ReadSession, topic_id: UUID, after_path: bytes | None, limit: int) -> Sequence[Comment]:
    """Comments as the tree is read, answers below what they answer."""
    statement = select(Comment).where(Comment.topic_id == topic_id)
    if after_path is not None:
        statement = statement.where(Comment.path > after_path)
    return (await session.scalars(statement.order_by(Comment.path).limit(limit + 1))).all()


async def list_flat(
    session: ReadSession, topic_id: UUID, sort: str, values: Sequence[Any] | None, limit: int
) -> Sequence[Comment]:
    """Comments without their tree, the newest or the best first."""
    statement = select(Comment).where(Comment.topic_id == topic_id)
    statement = after(statement, [COMMENT_SORT_KEYS[sort], Comment.id], values, descending=True)
    return (await session.scalars(statement.limit(limit + 1))).all()


def words_of(post: Topic | Comment) -> Words:
    """What a post says now."""
    title = post.title if isinstance(post, Topic) else None
    return Words(post.revision, title, post.content, post.edited_at or post.created_at)


async def list_revisions(session: ReadSession, post: Topic | Comment, before: int, limit: int) -> list[Words]:
    """At most `limit` kept revisions older than `before`, newest first."""
    table: Any = TopicRevision if isinstance(post, Topic) else CommentRevision
    statement = select(table).where(table.post_id == post.id, table.revision < before)
    rows = (await session.scalars(statement.order_by(table.revision.desc()).limit(limit))).all()
    return [Words(row.revision, getattr(row, "title", None), row.content, row.written_at) for row in rows]


async def get_revision(session: ReadSession, post: Topic | Comment, revision: int) -> Words:
    """Raises RevisionNotFound, also for one that was put right within minutes and so was never kept."""
    if revision == post.revision:
        return words_of(post)
    found = await list_revisions(session, post, revision + 1, 1)
    if not found or found[0].revision != revision:
        raise RevisionNotFound
    return found[0]


async def find_level(session: ReadSession, topic_id: UUID, user_id: UUID) -> str | None:
    """What the user wants to hear of a topic; None while they have nothing to do with it."""
    mine = (Subscription.topic_id == topic_id, Subscription.user_id == user_id)
    return await session.scalar(select(Subscription.level).where(*mine))


async def list_watchers(session: ReadSession, topic_id: UUID, at: datetime) -> Sequence[UUID]:
    """Who watched the topic then; who came later has read what was there."""
    watching = (Subscription.topic_id == topic_id, Subscription.level == WATCHING, Subscription.created_at <= at)
    return (await session.scalars(select(Subscription.user_id).where(*watching))).all()


async def list_muting(session: ReadSession, topic_id: UUID, user_ids: set[UUID]) -> set[UUID]:
    """Which of these users want to hear nothing of the topic."""
    muting = (Subscription.topic_id == topic_id, Subscription.level == MUTED)
    statement = select(Subscription.user_id).where(*muting, Subscription.user_id.in_(user_ids))
    return set((await session.scalars(statement)).all())


def _readable_notifications(user_id: UUID) -> Select[Any]:
    """What the user was told of and can still read, and what was taken down of theirs.

    Rows of notification, title of the topic, reason of its removal.
    """
    comment = (Comment.id == Notification.comment_id) & (Comment.status == VISIBLE)
    title: ColumnElement[Any] = Topic.title.label("title")
    is_told = case((Notification.kind == "removed", Topic.status == REMOVED), else_=Topic.status == VISIBLE)
    rows: Select[Any] = select(Notification, title, Topic.delete_reason.label("reason"))
    return (
        rows.join(Topic, (Topic.id == Notification.topic_id) & is_told)
        .outerjoin(Comment, comment)
        .where(Notification.user_id == user_id, Notification.comment_id.is_(None) | Comment.id.is_not(None))
    )


async def list_notifications(
    session: ReadSession, user_id: UUID, values: Sequence[Any] | None, limit: int, *, unseen: bool
) -> Sequence[Row[Any]]:
    statement = _readable_notifications(user_id)
    if unseen:
        statement = statement.where(Notification.seen_at.is_(None))
    statement = after(statement, [Notification.id], values, descending=True)
    rows: Sequence[Row[Any]] = (await session.execute(statement.limit(limit + 1))).all()
    return rows


async def list_notices(session: ReadSession, user_id: UUID, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Those of these that the user can still read, oldest first."""
    statement = _readable_notifications(user_id).where(Notification.id.in_(ids)).order_by(Notification.id)
    rows: Sequence[Row[Any]] = (await session.execute(statement)).all()
    return rows


async def count_unseen(session: ReadSession, user_id: UUID) -> int:
    readable = _readable_notifications(user_id).where(Notification.seen_at.is_(None))
    return await session.scalar(select(func.count()).select_from(readable.subquery())) or 0


async def find_unwanted(session: ReadSession, user_ids: set[UUID]) -> dict[UUID, list[str]]:
    """What these users don't want to hear of; who never said is left out."""
    columns = NotificationSettings.user_id, NotificationSettings.unwanted
    rows = await session.execute(select(*columns).where(NotificationSettings.user_id.in_(user_ids)))
    return {row.user_id: row.unwanted for row in rows}


async def lock_report(session: WriteSession, report_id: UUID) -> Report:
    """The topic is locked first: moderators who decide about reports on one post take turns there."""
    topic_id = await session.scalar(select(Report.topic_id).where(Report.id == report_id))
    if topic_id is None:
        raise ReportNotFound
    await lock_any_topic(session, topic_id)
    return await session.get_one(Report, report_id, with_for_update=True, populate_existing=True)


async def list_reports(
    session: ReadSession, state: str, values: Sequence[Any] | None, limit: int
) -> Sequence[Row[Any]]:
    """Oldest first, as a queue is worked off; rows of report, words of the post, its author and its status."""
    post = case((Report.comment_id.is_(None), Topic.content), else_=Comment.content).label("content")
    author: ColumnElement[Any] = func.coalesce(Comment.user_id, Topic.user_id).label("author_id")
    status: ColumnElement[Any] = func.coalesce(Comment.status, Topic.status).label("status")
    statement: Select[Any] = select(Report, post, author, status).join(Topic, Topic.id == Report.topic_id)
    statement = statement.outerjoin(Comment, Comment.id == Report.comment_id).where(Report.state == state)
    statement = after(statement, [Report.id], values, descending=False)
    rows: Sequence[Row[Any]] = (await session.execute(statement.limit(limit + 1))).all()
    return rows


async def list_log(session: ReadSession, values: Sequence[Any] | None, limit: int) -> Sequence[ModerationEntry]:
    statement = after(select(ModerationEntry), [ModerationEntry.id], values, descending=True)
    return (await session.scalars(statement.limit(limit + 1))).all()


async def list_voted(
    session: ReadSession, votes: type[TopicVote | CommentVote], user_id: UUID, post_ids: Sequence[UUID]
) -> set[UUID]:
    """Which of these posts the user has voted for."""
    statement = select(votes.post_id).where(votes.user_id == user_id, votes.post_id.in_(post_ids))
    return set((await session.scalars(statement)).all())
