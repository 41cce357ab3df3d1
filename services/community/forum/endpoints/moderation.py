"""HTTP in, for moderators, and for authors who take back a deletion."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends

from services.community.forum import repository
from services.community.forum.endpoints.access import InActor, MayWrite
from services.community.forum.models import Topic
from services.community.forum.presenting import show_comment, show_topic
from services.community.forum.schemas import CategoryBody, CommentRead, ForumCategoryRead, LogEntry, Move, TopicRead
from services.community.forum.usecases import categories, comments, moderation, topics
from services.community.requests import InCommunity, Place
from shared.database import Read, Write
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, role

router = Router(tags=["forum"])


async def _showing(session: Write, caller: Caller) -> Callable[[Topic], Awaitable[TopicRead]]:
    return lambda topic: show_topic(session, topic, caller)


Show = Annotated[Callable[[Topic], Awaitable[TopicRead]], Depends(_showing)]


@router.post("/v1/forum/topics/{topic_id}/restore", access=MayWrite)
async def restore_topic(
    topic_id: UUID, session: Write, actor: InActor, community: InCommunity, show: Show
) -> TopicRead:
    """Authors bring back what they deleted, moderators anything. Comments come back with their topic."""
    return await show(await topics.restore_topic(session, actor, topic_id, community.now))


@router.post("/v1/forum/comments/{comment_id}/restore", access=MayWrite)
async def restore_comment(
    comment_id: UUID, session: Write, caller: Caller, actor: InActor, community: InCommunity
) -> CommentRead:
    restored = await comments.restore_comment(session, actor, comment_id, community.now)
    return await show_comment(session, restored, caller)


@router.post("/v1/forum/topics/{topic_id}/lock", access=MayWrite)
async def lock_topic(topic_id: UUID, session: Write, actor: InActor, community: InCommunity, show: Show) -> TopicRead:
    """Moderators only: the topic takes no more comments."""
    return await show(await moderation.set_locked(session, actor, topic_id, community.now, locked=True))


@router.post("/v1/forum/topics/{topic_id}/unlock", access=MayWrite)
async def unlock_topic(topic_id: UUID, session: Write, actor: InActor, community: InCommunity, show: Show) -> TopicRead:
    return await show(await moderation.set_locked(session, actor, topic_id, community.now, locked=False))


@router.post("/v1/forum/topics/{topic_id}/pin", access=MayWrite)
async def pin_topic(topic_id: UUID, session: Write, actor: InActor, community: InCommunity, show: Show) -> TopicRead:
    """Moderators only. Read the pinned topics of a category with `?pinned=true`."""
    return await show(await moderation.set_pinned(session, actor, topic_id, community.now, pinned=True))


@router.post("/v1/forum/topics/{topic_id}/unpin", access=MayWrite)
async def unpin_topic(topic_id: UUID, session: Write, actor: InActor, community: InCommunity, show: Show) -> TopicRead:
    return await show(await moderation.set_pinned(session, actor, topic_id, community.now, pinned=False))


@router.post("/v1/forum/topics/{topic_id}/move", access=MayWrite)
async def move_topic(
    topic_id: UUID, body: Move, session: Write, actor: InActor, community: InCommunity, show: Show
) -> TopicRead:
    """Moderators only: put the topic into another category."""
    return await show(await moderation.move_topic(session, actor, topic_id, body.category, community.now))


@router.put("/v1/admin/community/forum/categories", access=role("admin"))
async def keep_forum_category(body: CategoryBody, session: Write) -> ForumCategoryRead:
    """Make a category, or describe one that is there anew."""
    kept = await categories.keep_category(session, body.slug, body.name, body.description, body.position)
    return ForumCategoryRead.model_validate(kept)


@router.get("/v1/admin/community/log", access=role("admin"))
async def list_moderation_log(
    session: Read, community: InCommunity, cursor: Cursor = None, limit: Limit = 50
) -> Page[LogEntry]:
    """What moderators did, newest first."""
    place = Place(community, "log", cursor)
    rows = await repository.list_log(session, place.values, limit)
    return page_of(rows, limit, LogEntry.model_validate, lambda row: place.after(row.id))
