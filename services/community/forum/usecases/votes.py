"""Votes: one per user and post, and a score that is always their number."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Executable, delete, update
from sqlalchemy.dialects.postgresql import insert

from services.community.forum import repository
from services.community.forum.models import Comment, CommentVote, Topic, TopicVote
from services.community.forum.rights import Actor, check_may_vote
from shared.database import WriteSession


async def vote_for_topic(session: WriteSession, actor: Actor, topic_id: UUID, now: datetime) -> int:
    """The topic's score with the actor's vote in it. Raises SelfVote."""
    check_may_vote(actor, await repository.get_topic(session, topic_id))
    return await _count(session, Topic, topic_id, _cast(TopicVote, topic_id, actor, now), 1)


async def withdraw_topic_vote(session: WriteSession, actor: Actor, topic_id: UUID) -> int:
    await repository.get_topic(session, topic_id)
    return await _count(session, Topic, topic_id, _withdraw(TopicVote, topic_id, actor), -1)


async def vote_for_comment(session: WriteSession, actor: Actor, comment_id: UUID, now: datetime) -> int:
    """The comment's score with the actor's vote in it. Raises SelfVote."""
    check_may_vote(actor, await repository.get_comment(session, comment_id))
    return await _count(session, Comment, comment_id, _cast(CommentVote, comment_id, actor, now), 1)


async def withdraw_comment_vote(session: WriteSession, actor: Actor, comment_id: UUID) -> int:
    await repository.get_comment(session, comment_id)
    return await _count(session, Comment, comment_id, _withdraw(CommentVote, comment_id, actor), -1)


def _cast(votes: type[TopicVote | CommentVote], post_id: UUID, actor: Actor, now: datetime) -> Executable:
    row = {"post_id": post_id, "user_id": actor.user_id, "created_at": now}
    return insert(votes).values(**row).on_conflict_do_nothing().returning(votes.post_id)


def _withdraw(votes: type[TopicVote | CommentVote], post_id: UUID, actor: Actor) -> Executable:
    return delete(votes).where(votes.post_id == post_id, votes.user_id == actor.user_id).returning(votes.post_id)


async def _count(
    session: WriteSession, posts: type[Topic | Comment], post_id: UUID, change: Executable, step: int
) -> int:
    """Move the score only when the vote really changed something, in the same transaction.

    The vote's row is the lock: two requests for the same vote wait for each other there.
    """
    changed = (await session.execute(change)).first() is not None
    statement = update(posts).where(posts.id == post_id).values(score=posts.score + (step if changed else 0))
    return int((await session.execute(statement.returning(posts.score))).scalar_one())
