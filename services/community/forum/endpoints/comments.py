"""HTTP in, for comments."""

from collections.abc import Sequence
from uuid import UUID

from starlette.responses import Response

from services.community.forum import repository
from services.community.forum.endpoints.access import InActor, MayWrite, Reason, limit_posts
from services.community.forum.models import Comment
from services.community.forum.presenting import show_comment, show_comments
from services.community.forum.schemas import CommentCreate, CommentPatch, CommentRead, CommentSort, VoteRead
from services.community.forum.usecases import comments, votes
from services.community.requests import EditedVersion, InCommunity, Place, tag
from shared.database import Read, ReadSession, Write
from shared.idempotency import Idempotency
from shared.identity import Caller, MaybeCaller
from shared.pagination import Cursor, Limit, Page
from shared.routing import Router, public

router = Router(tags=["forum"])


@router.get("/v1/forum/topics/{topic_id}/comments", access=public)
async def list_comments(
    topic_id: UUID,
    session: Read,
    community: InCommunity,
    caller: MaybeCaller,
    sort: CommentSort = "tree",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[CommentRead]:
    """As the tree is read, or newest or best first. Removed comments keep their place without their words."""
    topic = await repository.get_topic(session, topic_id)
    place = Place(community, f"comments:{topic.id}:{sort}", cursor)
    rows = await _rows(session, topic.id, sort, place, limit)
    shown = rows[:limit]
    cursor = _cursor(place, sort, shown[-1]) if len(rows) > limit else None
    return Page(items=await show_comments(session, shown, caller), next_cursor=cursor)


async def _rows(session: ReadSession, topic_id: UUID, sort: CommentSort, place: Place, limit: int) -> Sequence[Comment]:
    if sort in repository.COMMENT_SORT_KEYS:
        return await repository.list_flat(session, topic_id, sort, place.values, limit)
    path = bytes.fromhex(place.values[0]) if place.values else None
    return await repository.list_tree(session, topic_id, path, limit)


def _cursor(place: Place, sort: CommentSort, last: Comment) -> str:
    if sort in repository.COMMENT_SORT_KEYS:
        return place.after(getattr(last, repository.COMMENT_SORT_KEYS[sort].key), last.id)
    return place.after(last.path.hex())


@router.post("/v1/forum/topics/{topic_id}/comments", access=MayWrite, status_code=201, response_model=CommentRead)
async def add_comment(
    topic_id: UUID,
    body: CommentCreate,
    session: Write,
    caller: Caller,
    actor: InActor,
    community: InCommunity,
    once: Idempotency,
) -> Response:
    """Answer the topic, or with `parent_id` a comment in it."""
    await limit_posts(community, actor, "comment", community.settings.comments_per_hour)

    async def act() -> CommentRead:
        added = await comments.add_comment(session, actor, topic_id, body.content, body.parent_id, community.now)
        return await show_comment(session, added, caller)

    return await once.respond(session, act, status=201, headers=lambda comment: {"ETag": f'"{comment.revision}"'})


@router.patch("/v1/forum/comments/{comment_id}", access=MayWrite)
async def edit_comment(
    comment_id: UUID,
    body: CommentPatch,
    revision: EditedVersion,
    session: Write,
    caller: Caller,
    actor: InActor,
    community: InCommunity,
    response: Response,
) -> CommentRead:
    """Authors only. `If-Match` is the comment's `revision`; 412 when it has changed since."""
    edited = await comments.edit_comment(session, actor, comment_id, body.content, revision, community.now)
    tag(response, edited.revision)
    return await show_comment(session, edited, caller)


@router.delete("/v1/forum/comments/{comment_id}", access=MayWrite, status_code=204)
async def remove_comment(
    comment_id: UUID, session: Write, actor: InActor, community: InCommunity, reason: Reason = None
) -> None:
    """The author or a moderator takes the words away; answers to it stay."""
    await comments.remove_comment(session, actor, comment_id, reason, community.now)


@router.put("/v1/forum/comments/{comment_id}/vote", access=MayWrite)
async def vote_for_comment(comment_id: UUID, session: Write, actor: InActor, community: InCommunity) -> VoteRead:
    return VoteRead(score=await votes.vote_for_comment(session, actor, comment_id, community.now), voted=True)


@router.delete("/v1/forum/comments/{comment_id}/vote", access=MayWrite)
async def withdraw_comment_vote(comment_id: UUID, session: Write, actor: InActor) -> VoteRead:
    return VoteRead(score=await votes.withdraw_comment_vote(session, actor, comment_id), voted=False)
