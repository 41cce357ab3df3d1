"""HTTP in, for feed readers: what is public, newest first, and nothing when nothing is new."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Path
from starlette.responses import Response

from services.community import profiles
from services.community.errors import CategoryNotFound
from services.community.forum import repository
from services.community.forum.endpoints.access import CategoryQuery
from services.community.forum.feeds import Entry, render_feed
from services.community.forum.models import VISIBLE, Comment, Topic
from services.community.forum.repository import Filter
from services.community.forum.schemas import CategorySlug
from services.community.requests import Community, InCommunity, TagQuery
from shared.database import Read, ReadSession
from shared.routing import Router, public

router = Router(tags=["forum"])
ENTRIES = 50
SECONDS = 60
KnownTag = Annotated[str | None, Header(alias="If-None-Match", max_length=1000)]


class AtomResponse(Response):
    media_type = "application/atom+xml"


FEED: dict[str, Any] = {"response_class": AtomResponse, "responses": {304: {"description": "Nothing is new."}}}


@router.get("/v1/forum/feed.atom", access=public, **FEED)
async def read_feed(
    session: Read, community: InCommunity, category: CategoryQuery = None, tag: TagQuery = None, known: KnownTag = None
) -> Response:
    """The newest topics, of a category or with a tag if asked."""
    entries = await _topics(session, community, Filter(category, tag))
    return _answer(community, "Forum", "/v1/forum/feed.atom", entries, known)


@router.get("/v1/forum/c/{slug}.atom", access=public, **FEED)
async def read_category_feed(
    slug: Annotated[CategorySlug, Path()], session: Read, community: InCommunity, known: KnownTag = None
) -> Response:
    """The newest topics of a category."""
    category = await repository.find_category(session, slug)
    if category is None:
        raise CategoryNotFound
    entries = await _topics(session, community, Filter(category.slug))
    return _answer(community, category.name, f"/v1/forum/c/{category.slug}.atom", entries, known)


@router.get("/v1/forum/t/{topic_id}.atom", access=public, **FEED)
async def read_topic_feed(topic_id: UUID, session: Read, community: InCommunity, known: KnownTag = None) -> Response:
    """The newest comments of a topic."""
    topic = await repository.get_topic(session, topic_id)
    comments = await repository.list_flat(session, topic.id, "new", None, ENTRIES)
    entries = await _comments(session, community, topic, [row for row in comments[:ENTRIES] if row.status == VISIBLE])
    return _answer(community, topic.title, f"/v1/forum/t/{topic.id}.atom", entries, known)


async def _topics(session: ReadSession, community: Community, wanted: Filter) -> list[Entry]:
    topics = (await repository.list_topics(session, "new", wanted, None, ENTRIES))[:ENTRIES]
    return await _entries(session, topics, {topic.id: topic for topic in topics}, community)


async def _comments(
    session: ReadSession, community: Community, topic: Topic, comments: Sequence[Comment]
) -> list[Entry]:
    return await _entries(session, comments, dict.fromkeys((row.id for row in comments), topic), community)


async def _entries(
    session: ReadSession, posts: Sequence[Topic] | Sequence[Comment], topics: dict[UUID, Topic], community: Community
) -> list[Entry]:
    authors = await profiles.find_authors(session, {post.user_id for post in posts})
    return [
        Entry(
            id=post.id,
            title=topics[post.id].title,
            author=authors[post.user_id].display_name if post.user_id in authors else None,
            link=f"{community.settings.public_url}/v1/forum/topics/{topics[post.id].id}",
            html=post.content_html,
            published=post.created_at,
            updated=post.edited_at or post.created_at,
        )
        for post in posts
    ]


def _answer(community: Community, title: str, path: str, entries: Sequence[Entry], known: str | None) -> Response:
    document = render_feed(title, f"{community.settings.public_url}{path}", entries)
    tag = f'"{hashlib.sha256(document).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={SECONDS}"}
    if known is not None and tag in known:
        return Response(status_code=304, headers=headers)
    return AtomResponse(document, headers=headers)
