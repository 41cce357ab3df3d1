"""Posts as readers see them: with their authors, and without the words that were removed."""

from collections.abc import Sequence

from services.community import profiles
from services.community.forum import repository
from services.community.forum.models import VISIBLE, Comment, CommentVote, Topic, TopicVote
from services.community.forum.schemas import Author, CommentRead, TopicFacts, TopicRead
from shared.database import ReadSession
from shared.identity import Principal

GONE, GONE_HTML = "[deleted]", "<p>[deleted]</p>"


async def show_topics(session: ReadSession, topics: Sequence[Topic], caller: Principal | None) -> list[TopicRead]:
    """Two queries for a whole page, however long it is."""
    authors = await profiles.find_authors(session, {topic.user_id for topic in topics})
    ids = [topic.id for topic in topics]
    voted = await repository.list_voted(session, TopicVote, caller.user_id, ids) if caller else set()
    return [
        TopicRead(
            **TopicFacts.model_validate(topic).model_dump(),
            author=Author.model_validate(authors.get(topic.user_id, Author())),
            voted=topic.id in voted,
        )
        for topic in topics
    ]


async def show_topic(session: ReadSession, topic: Topic, caller: Principal | None) -> TopicRead:
    return (await show_topics(session, [topic], caller))[0]


async def show_comments(
    session: ReadSession, comments: Sequence[Comment], caller: Principal | None
) -> list[CommentRead]:
    """Two queries for a whole page, however long it is."""
    authors = await profiles.find_authors(session, {row.user_id for row in comments if row.status == VISIBLE})
    ids = [comment.id for comment in comments]
    voted = await repository.list_voted(session, CommentVote, caller.user_id, ids) if caller else set()
    return [
        _comment(row, Author.model_validate(authors.get(row.user_id, Author())), voted=row.id in voted)
        for row in comments
    ]


async def show_comment(session: ReadSession, comment: Comment, caller: Principal | None) -> CommentRead:
    return (await show_comments(session, [comment], caller))[0]


def _comment(row: Comment, author: Author, *, voted: bool) -> CommentRead:
    visible = row.status == VISIBLE
    return CommentRead(
        id=row.id,
        topic_id=row.topic_id,
        parent_id=row.parent_id,
        user_id=row.user_id if visible else None,
        author=author if visible else Author(),
        content=row.content if visible else GONE,
        content_html=row.content_html if visible else GONE_HTML,
        status=row.status,
        score=row.score if visible else 0,
        depth=row.depth,
        revision=row.revision,
        voted=voted,
        created_at=row.created_at,
        edited_at=row.edited_at if visible else None,
    )
