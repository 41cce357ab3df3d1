"""HTTP in, for the earlier words of posts. Who may read a post may read what it said before."""

from collections.abc import Sequence
from uuid import UUID

from services.community.forum import repository
from services.community.forum.models import Comment, Topic
from services.community.forum.repository import Words
from services.community.forum.schemas import DiffRead, RevisionNumber, RevisionRead
from services.community.forum.usecases.revisions import difference
from services.community.requests import InCommunity, Place
from shared.database import Read, ReadSession
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, public

router = Router(tags=["forum"])


@router.get("/v1/forum/topics/{topic_id}/revisions", access=public)
async def list_topic_revisions(
    topic_id: UUID, session: Read, community: InCommunity, cursor: Cursor = None, limit: Limit = 20
) -> Page[RevisionRead]:
    """What the topic says and said, newest first. Edits within five minutes are one."""
    topic = await repository.get_topic(session, topic_id)
    return await _page(session, topic, Place(community, f"revisions:{topic_id}", cursor), limit)


@router.get("/v1/forum/comments/{comment_id}/revisions", access=public)
async def list_comment_revisions(
    comment_id: UUID, session: Read, community: InCommunity, cursor: Cursor = None, limit: Limit = 20
) -> Page[RevisionRead]:
    comment = await repository.get_comment(session, comment_id)
    return await _page(session, comment, Place(community, f"revisions:{comment_id}", cursor), limit)


async def _page(session: ReadSession, post: Topic | Comment, place: Place, limit: int) -> Page[RevisionRead]:
    """The words of now come first on the first page."""
    rows: Sequence[Words]
    if place.values:
        rows = await repository.list_revisions(session, post, int(place.values[0]), limit + 1)
    else:
        rows = [repository.words_of(post), *await repository.list_revisions(session, post, post.revision, limit)]
    return page_of(rows, limit, RevisionRead.model_validate, lambda row: place.after(str(row.revision)))


@router.get("/v1/forum/topics/{topic_id}/revisions/{revision}/diff", access=public)
async def compare_topic_revision(topic_id: UUID, revision: RevisionNumber, session: Read) -> DiffRead:
    """How this revision differs from the one before it, as a unified diff of the source."""
    return await _diff(session, await repository.get_topic(session, topic_id), revision)


@router.get("/v1/forum/comments/{comment_id}/revisions/{revision}/diff", access=public)
async def compare_comment_revision(comment_id: UUID, revision: RevisionNumber, session: Read) -> DiffRead:
    return await _diff(session, await repository.get_comment(session, comment_id), revision)


async def _diff(session: ReadSession, post: Topic | Comment, revision: int) -> DiffRead:
    after = await repository.get_revision(session, post, revision)
    earlier = await repository.list_revisions(session, post, revision, 1)
    before = earlier[0].content if earlier else ""
    return DiffRead(
        revision=revision,
        compared_to=earlier[0].revision if earlier else None,
        diff=await difference(before, after.content),
    )
