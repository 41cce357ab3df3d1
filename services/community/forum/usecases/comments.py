"""Comments: answering, editing, deleting. Whoever changes a thread's shape holds its topic's lock."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.community import profiles
from services.community.errors import CommentNotFound, TopicLocked, UnknownParent
from services.community.forum import repository
from services.community.forum.models import MAX_DEPTH, VISIBLE, Comment, Topic
from services.community.forum.rights import (
    Actor,
    check_may_edit,
    check_may_restore,
    check_may_speak,
    status_after_removal,
)
from services.community.forum.usecases.moderation import note_step
from services.community.forum.usecases.revisions import keep_words
from services.community.forum.usecases.subscriptions import take_part
from services.community.markdown import RENDERER_VERSION
from services.community.text import rendered
from shared.contracts.community import ForumCommentCreated
from shared.database import WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

COMMENT_LENGTH = 20_000
ORDINAL_BYTES = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the tree a comment goes."""

    parent_id: UUID | None
    path: bytes
    depth: int


async def add_comment(
    session: WriteSession, actor: Actor, topic_id: UUID, content: str, parent_id: UUID | None, now: datetime
) -> Comment:
    """Answer a topic or a comment in it. Raises Silenced, TopicLocked, UnknownParent."""
    check_may_speak(actor, now)
    text = await rendered(content, COMMENT_LENGTH)
    topic = await repository.lock_topic(session, topic_id)
    if topic.locked:
        raise TopicLocked
    place = await _next_place(session, topic, parent_id)
    comment = Comment(
        id=new_id(),
        topic_id=topic.id,
        user_id=actor.user_id,
        parent_id=place.parent_id,
        path=place.path,
        depth=place.depth,
        content=content,
        content_html=text.html,
        renderer_version=RENDERER_VERSION,
        created_at=now,
        updated_at=now,
    )
    session.add(comment)
    topic.comment_count += 1
    topic.last_activity_at = max(now, topic.last_activity_at)
    topic.version += 1
    await session.flush()
    await take_part(session, topic.id, actor.user_id, now)
    await _tell(session, topic, comment, await profiles.list_users_called(session, text.mentions))
    return comment


async def _next_place(session: WriteSession, topic: Topic, parent_id: UUID | None) -> Place:
    """Behind the parent's last answer; below the deepest level an answer stands beside what it answers."""
    parent = await _parent(session, topic, parent_id)
    if parent is not None and parent.depth >= MAX_DEPTH:
        parent = await _parent(session, topic, parent.parent_id)
    above: Topic | Comment = parent or topic
    above.replies += 1
    ordinal = above.replies.to_bytes(ORDINAL_BYTES, "big")
    if parent is None:
        return Place(None, ordinal, 0)
    return Place(parent.id, parent.path + ordinal, parent.depth + 1)


async def _parent(session: WriteSession, topic: Topic, parent_id: UUID | None) -> Comment | None:
    if parent_id is None:
        return None
    parent = await repository.find_comment(session, parent_id)
    if parent is None or parent.topic_id != topic.id or parent.status != VISIBLE:
        raise UnknownParent
    return parent


async def edit_comment(
    session: WriteSession, actor: Actor, comment_id: UUID, content: str, revision: int, now: datetime
) -> Comment:
    """Replace the words as they were at `revision`. Raises NotYours, EditedMeanwhile."""
    check_may_speak(actor, now)
    text = await rendered(content, COMMENT_LENGTH)
    comment = await repository.lock_any_comment(session, comment_id)
    if comment.status != VISIBLE:
        raise CommentNotFound
    check_may_edit(actor, comment, revision)
    keep_words(session, comment, now)
    comment.content, comment.content_html, comment.renderer_version = content, text.html, RENDERER_VERSION
    comment.revision += 1
    comment.edited_at = comment.updated_at = now
    return comment


async def remove_comment(
    session: WriteSession, actor: Actor, comment_id: UUID, reason: str | None, now: datetime
) -> None:
    """Take a comment's words away; its answers stay. Raises NotYours unless the actor wrote it or moderates."""
    comment = await repository.lock_any_comment(session, comment_id)
    if comment.status != VISIBLE:
        raise CommentNotFound
    topic = await repository.lock_topic(session, comment.topic_id)
    comment.status = status_after_removal(actor, comment)
    comment.deleted_at, comment.deleted_by, comment.delete_reason = now, actor.user_id, reason
    comment.updated_at = now
    note_step(session, actor, "remove", comment, now, reason=reason)
    topic.comment_count -= 1
    if topic.accepted_comment_id == comment.id:
        topic.accepted_comment_id = None


async def restore_comment(session: WriteSession, actor: Actor, comment_id: UUID, now: datetime) -> Comment:
    """Give a comment its words back. Raises NotYours, and CommentNotFound when its topic is gone."""
    comment = await repository.lock_any_comment(session, comment_id)
    check_may_restore(actor, comment)
    if comment.status != VISIBLE:
        comment.status, comment.updated_at = VISIBLE, now
        comment.deleted_at = comment.deleted_by = comment.delete_reason = None
        (await repository.lock_topic(session, comment.topic_id)).comment_count += 1
        note_step(session, actor, "restore", comment, now)
    return comment


async def _tell(session: WriteSession, topic: Topic, comment: Comment, mentions: list[UUID]) -> None:
    event = ForumCommentCreated(
        topic_id=topic.id,
        comment_id=comment.id,
        user_id=comment.user_id,
        category=topic.category,
        mentions=mentions,
    )
    await publish(session, event, sequence=topic.version)
