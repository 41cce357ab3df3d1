"""Topics: opening, editing, deleting, accepting an answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.community import profiles
from services.community.errors import CommentNotFound, NotAQuestion, NotYours
from services.community.forum import repository
from services.community.forum.models import VISIBLE, Topic
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
from services.community.text import rendered, slug_of
from shared.contracts.community import ForumAnswerAccepted, ForumTopicCreated, ForumTopicRemoved
from shared.database import WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

TOPIC_LENGTH = 50_000


@dataclass(frozen=True, slots=True)
class Draft:
    title: str
    content: str
    category: str
    tags: list[str]
    kind: str


async def open_topic(session: WriteSession, actor: Actor, draft: Draft, now: datetime) -> Topic:
    """Publish a topic. Raises Silenced, UnknownCategory, and a problem for text that can't be rendered safely."""
    check_may_speak(actor, now)
    await repository.get_category(session, draft.category)
    text = await rendered(draft.content, TOPIC_LENGTH)
    topic = Topic(
        id=new_id(),
        user_id=actor.user_id,
        title=draft.title,
        slug=slug_of(draft.title),
        content=draft.content,
        content_html=text.html,
        renderer_version=RENDERER_VERSION,
        category=draft.category,
        tags=draft.tags,
        kind=draft.kind,
        last_activity_at=now,
        created_at=now,
        updated_at=now,
    )
    session.add(topic)
    await session.flush()
    await take_part(session, topic.id, actor.user_id, now)
    mentions = await profiles.list_users_called(session, text.mentions)
    event = ForumTopicCreated(topic_id=topic.id, user_id=topic.user_id, category=topic.category, mentions=mentions)
    await publish(session, event, sequence=topic.version)
    return topic


async def edit_topic(
    session: WriteSession, actor: Actor, topic_id: UUID, changes: dict[str, Any], revision: int, now: datetime
) -> Topic:
    """Change what the author sends, as it was at `revision`. Raises NotYours, EditedMeanwhile, UnknownCategory."""
    check_may_speak(actor, now)
    topic = await repository.lock_topic(session, topic_id)
    check_may_edit(actor, topic, revision)
    if "category" in changes:
        await repository.get_category(session, changes["category"])
    if {"title", "content"} & changes.keys():
        keep_words(session, topic, now)
    for name, value in changes.items():
        setattr(topic, name, value)
    if "title" in changes:
        topic.slug = slug_of(topic.title)
    if "content" in changes:
        topic.content_html = (await rendered(topic.content, TOPIC_LENGTH)).html
        topic.renderer_version = RENDERER_VERSION
    topic.revision += 1
    topic.edited_at = topic.updated_at = now
    await session.flush()
    return topic


async def remove_topic(session: WriteSession, actor: Actor, topic_id: UUID, reason: str | None, now: datetime) -> None:
    """Take a topic down, with everything in it. Raises NotYours unless the actor wrote it or moderates."""
    topic = await repository.lock_topic(session, topic_id)
    topic.status = status_after_removal(actor, topic)
    topic.deleted_at, topic.deleted_by, topic.delete_reason = now, actor.user_id, reason
    topic.updated_at = now
    topic.version += 1
    note_step(session, actor, "remove", topic, now, reason=reason)
    event = ForumTopicRemoved(topic_id=topic.id, user_id=topic.user_id, category=topic.category)
    await publish(session, event, sequence=topic.version)


async def restore_topic(session: WriteSession, actor: Actor, topic_id: UUID, now: datetime) -> Topic:
    """Bring a topic back with everything in it. Raises NotYours, and TopicNotFound for one that was never there."""
    topic = await repository.lock_any_topic(session, topic_id)
    check_may_restore(actor, topic)
    if topic.status != VISIBLE:
        topic.status, topic.updated_at = VISIBLE, now
        topic.deleted_at = topic.deleted_by = topic.delete_reason = None
        note_step(session, actor, "restore", topic, now)
    return topic


async def accept_answer(session: WriteSession, actor: Actor, topic_id: UUID, comment_id: UUID, now: datetime) -> Topic:
    """Mark the answer to a question. Raises NotYours, NotAQuestion, CommentNotFound."""
    topic = await _lock_question(session, actor, topic_id)
    comment = await repository.find_comment(session, comment_id)
    if comment is None or comment.topic_id != topic_id or comment.status != VISIBLE:
        raise CommentNotFound
    if topic.accepted_comment_id != comment_id:
        topic.accepted_comment_id, topic.updated_at = comment_id, now
        topic.version += 1
        event = ForumAnswerAccepted(
            topic_id=topic.id, comment_id=comment_id, user_id=comment.user_id, category=topic.category
        )
        await publish(session, event, sequence=topic.version)
    return topic


async def withdraw_acceptance(session: WriteSession, actor: Actor, topic_id: UUID, now: datetime) -> Topic:
    topic = await _lock_question(session, actor, topic_id)
    if topic.accepted_comment_id is not None:
        topic.accepted_comment_id, topic.updated_at = None, now
        topic.version += 1
    return topic


async def _lock_question(session: WriteSession, actor: Actor, topic_id: UUID) -> Topic:
    topic = await repository.lock_topic(session, topic_id)
    if topic.user_id != actor.user_id:
        raise NotYours
    if topic.kind != "question":
        raise NotAQuestion
    return topic
