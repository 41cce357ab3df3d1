"""HTTP in, for topics."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from starlette.responses import Response

from services.community.forum import repository
from services.community.forum.endpoints.access import CategoryQuery, InActor, MayWrite, Reason, limit_posts
from services.community.forum.models import Topic
from services.community.forum.presenting import show_topic, show_topics
from services.community.forum.repository import Filter
from services.community.forum.schemas import (
    Acceptance,
    ForumCategoryList,
    ForumCategoryRead,
    Preview,
    PreviewRead,
    Sort,
    TagList,
    TagRead,
    TopicCreate,
    TopicPatch,
    TopicRead,
    VoteRead,
    Window,
)
from services.community.forum.usecases import topics, views, votes
from services.community.forum.usecases.topics import TOPIC_LENGTH, Draft
from services.community.requests import (
    EditedVersion,
    InCommunity,
    Place,
    RequiredWords,
    SeenByPerson,
    TagQuery,
    Visitor,
    tag,
)
from services.community.text import rendered
from shared.database import Read, ReadSession, Write
from shared.idempotency import Idempotency
from shared.identity import Caller, MaybeCaller, Principal
from shared.pagination import Cursor, Limit, Page
from shared.routing import Router, public

router = Router(tags=["forum"])
DAYS: dict[str, int | None] = {"day": 1, "week": 7, "month": 30, "all": None}


@router.get("/v1/forum/categories", access=public)
async def list_forum_categories(session: Read) -> ForumCategoryList:
    rows = await repository.list_categories(session)
    return ForumCategoryList(items=[ForumCategoryRead.model_validate(row) for row in rows])


@router.get("/v1/forum/tags", access=public)
async def list_tags(session: Read, query: TagQuery = None, limit: Limit = 50) -> TagList:
    """Tags that begin with `query`, the most used first."""
    rows = await repository.list_tags(session, (query or "").lower(), limit)
    return TagList(items=[TagRead.model_validate(row) for row in rows])


@router.get("/v1/forum/topics", access=public)
async def list_topics(
    session: Read,
    community: InCommunity,
    caller: MaybeCaller,
    sort: Sort = "hot",
    window: Window = "all",
    category: CategoryQuery = None,
    tag: TagQuery = None,
    author: UUID | None = None,
    unanswered: bool = False,  # noqa: FBT001, FBT002 - a query parameter
    pinned: bool | None = None,  # noqa: FBT001 - a query parameter
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[TopicRead]:
    """Visible topics. `window` counts back from now, by when they were opened."""
    place = Place(community, f"topics:{sort}:{window}:{category}:{tag}:{author}:{unanswered}:{pinned}", cursor)
    wanted = Filter(category, tag, author, _since(window, community.now), unanswered, pinned)
    rows = await repository.list_topics(session, sort, wanted, place.values, limit)
    column = repository.SORT_KEYS[sort].key
    return await _page(session, rows, limit, caller, place, [getattr(row, column) for row in rows])


def _since(window: Window, now: datetime) -> datetime | None:
    days = DAYS[window]
    return now - timedelta(days=days) if days else None


@router.get("/v1/forum/search", access=public)
async def search_topics(
    session: Read,
    community: InCommunity,
    caller: MaybeCaller,
    q: RequiredWords,
    category: CategoryQuery = None,
    tag: TagQuery = None,
    author: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Page[TopicRead]:
    """Topics with these words in title or text, best first. Quotes, `or` and `-` work as on the web."""
    place = Place(community, f"search:{q}:{category}:{tag}:{author}", cursor)
    rows = await repository.search_topics(session, q, Filter(category, tag, author), place.values, limit)
    return await _page(session, [row.Topic for row in rows], limit, caller, place, [row.rank for row in rows])


async def _page(
    session: ReadSession,
    rows: Sequence[Topic],
    limit: int,
    caller: Principal | None,
    place: Place,
    keys: Sequence[Any],
) -> Page[TopicRead]:
    shown = rows[:limit]
    cursor = place.after(keys[limit - 1], shown[-1].id) if len(rows) > limit else None
    return Page(items=await show_topics(session, shown, caller), next_cursor=cursor)


@router.post("/v1/forum/preview", access=MayWrite)
async def preview(body: Preview, actor: InActor, community: InCommunity) -> PreviewRead:
    """The text as it would be shown, and whom it would mention; nothing is kept."""
    limit = community.settings.previews_per_hour
    await community.limit(f"preview:{actor.user_id}", limit, "Too many previews in an hour.")
    text = await rendered(body.content, TOPIC_LENGTH)
    return PreviewRead(content_html=text.html, mentions=list(text.mentions))


@router.post("/v1/forum/topics", access=MayWrite, status_code=201, response_model=TopicRead)
async def open_topic(
    body: TopicCreate, session: Write, caller: Caller, actor: InActor, community: InCommunity, once: Idempotency
) -> Response:
    await limit_posts(community, actor, "topic", community.settings.topics_per_hour)

    async def act() -> TopicRead:
        topic = await topics.open_topic(session, actor, Draft(**body.model_dump()), community.now)
        return await show_topic(session, topic, caller)

    return await once.respond(
        session,
        act,
        status=201,
        headers=lambda topic: {"Location": f"/v1/forum/topics/{topic.id}", "ETag": f'"{topic.revision}"'},
    )


@router.get("/v1/forum/topics/{topic_id}", access=public)
async def read_topic(topic_id: UUID, session: Read, caller: MaybeCaller, response: Response) -> TopicRead:
    topic = await repository.get_topic(session, topic_id)
    tag(response, topic.revision)
    return await show_topic(session, topic, caller)


@router.patch("/v1/forum/topics/{topic_id}", access=MayWrite)
async def edit_topic(
    topic_id: UUID,
    body: TopicPatch,
    revision: EditedVersion,
    session: Write,
    caller: Caller,
    actor: InActor,
    community: InCommunity,
    response: Response,
) -> TopicRead:
    """Authors only. Send the topic's ETag as `If-Match`; 412 when it has changed since."""
    changes = body.model_dump(exclude_unset=True)
    topic = await topics.edit_topic(session, actor, topic_id, changes, revision, community.now)
    tag(response, topic.revision)
    return await show_topic(session, topic, caller)


@router.delete("/v1/forum/topics/{topic_id}", access=MayWrite, status_code=204)
async def remove_topic(
    topic_id: UUID, session: Write, actor: InActor, community: InCommunity, reason: Reason = None
) -> None:
    """The author or a moderator takes the topic down, with everything in it."""
    await topics.remove_topic(session, actor, topic_id, reason, community.now)


@router.post("/v1/forum/topics/{topic_id}/view", access=public, status_code=204)
async def note_view(topic_id: UUID, community: InCommunity, visitor: Visitor, by_person: SeenByPerson) -> None:
    """Say that the topic was shown to a reader. Each reader counts once a day, some seconds later; machines don't."""
    if not by_person:
        return
    async with community.runtime.database.pool.connection() as connection:
        await views.note_view(connection, topic_id, visitor, community.now)


@router.put("/v1/forum/topics/{topic_id}/vote", access=MayWrite)
async def vote_for_topic(topic_id: UUID, session: Write, actor: InActor, community: InCommunity) -> VoteRead:
    return VoteRead(score=await votes.vote_for_topic(session, actor, topic_id, community.now), voted=True)


@router.delete("/v1/forum/topics/{topic_id}/vote", access=MayWrite)
async def withdraw_topic_vote(topic_id: UUID, session: Write, actor: InActor) -> VoteRead:
    return VoteRead(score=await votes.withdraw_topic_vote(session, actor, topic_id), voted=False)


@router.put("/v1/forum/topics/{topic_id}/accepted", access=MayWrite)
async def accept_answer(
    topic_id: UUID, body: Acceptance, session: Write, caller: Caller, actor: InActor, community: InCommunity
) -> TopicRead:
    """The author of a question says which comment answers it."""
    topic = await topics.accept_answer(session, actor, topic_id, body.comment_id, community.now)
    return await show_topic(session, topic, caller)


@router.delete("/v1/forum/topics/{topic_id}/accepted", access=MayWrite)
async def withdraw_acceptance(
    topic_id: UUID, session: Write, caller: Caller, actor: InActor, community: InCommunity
) -> TopicRead:
    topic = await topics.withdraw_acceptance(session, actor, topic_id, community.now)
    return await show_topic(session, topic, caller)
