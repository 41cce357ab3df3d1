"""What moderators do with topics, each step kept in the log."""

from datetime import datetime
from uuid import UUID

from services.community.forum import repository
from services.community.forum.models import Comment, ModerationEntry, Topic
from services.community.forum.rights import Actor, check_moderates
from shared.database import WriteSession
from shared.ids import new_id


async def set_locked(session: WriteSession, actor: Actor, topic_id: UUID, now: datetime, *, locked: bool) -> Topic:
    """Close a topic to new comments, or open it again. Raises ModeratorsOnly."""
    topic = await _lock_for_moderator(session, actor, topic_id)
    if topic.locked != locked:
        topic.locked, topic.updated_at = locked, now
        note_step(session, actor, "lock" if locked else "unlock", topic, now)
    return topic


async def set_pinned(session: WriteSession, actor: Actor, topic_id: UUID, now: datetime, *, pinned: bool) -> Topic:
    """Mark a topic as one to show first, or no longer. Raises ModeratorsOnly."""
    topic = await _lock_for_moderator(session, actor, topic_id)
    if topic.pinned != pinned:
        topic.pinned, topic.updated_at = pinned, now
        note_step(session, actor, "pin" if pinned else "unpin", topic, now)
    return topic


async def move_topic(session: WriteSession, actor: Actor, topic_id: UUID, category: str, now: datetime) -> Topic:
    """Put a topic into another category. Raises ModeratorsOnly, UnknownCategory."""
    topic = await _lock_for_moderator(session, actor, topic_id)
    await repository.get_category(session, category)
    if topic.category != category:
        note_step(session, actor, "move", topic, now, reason=f"{topic.category} to {category}")
        topic.category, topic.updated_at = category, now
    return topic


async def _lock_for_moderator(session: WriteSession, actor: Actor, topic_id: UUID) -> Topic:
    check_moderates(actor)
    return await repository.lock_topic(session, topic_id)


def note_step(
    session: WriteSession, actor: Actor, action: str, post: Topic | Comment, now: datetime, *, reason: str | None = None
) -> None:
    """Write a step into the log. What authors do to their own posts is no moderation and is left out."""
    if actor.user_id == post.user_id and not actor.moderates:
        return
    comment = post if isinstance(post, Comment) else None
    entry = ModerationEntry(
        id=new_id(),
        actor_id=actor.user_id,
        action=action,
        topic_id=comment.topic_id if comment else post.id,
        comment_id=comment.id if comment else None,
        author_id=post.user_id,
        reason=reason,
        created_at=now,
    )
    session.add(entry)
