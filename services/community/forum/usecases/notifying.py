"""Who is told of what, away from the request that caused it: a topic that thousands watch delays nobody's post."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from services.community import standing
from services.community.forum import repository
from services.community.forum.models import REMOVED, VISIBLE, Notification, NotificationSettings, Topic
from shared.contracts.community import ForumAnswerAccepted, ForumCommentCreated, ForumTopicCreated, ForumTopicRemoved
from shared.database import WriteSession
from shared.ids import new_id

KEPT = timedelta(days=90)
# What a statement may bind is limited; nine values each stay far below.
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something to tell of: the event, and who caused it."""

    event_id: UUID
    actor_id: UUID
    topic_id: UUID
    comment_id: UUID | None
    now: datetime


async def tell_of_topic(session: WriteSession, event: ForumTopicCreated, event_id: UUID, now: datetime) -> None:
    occasion = Occasion(event_id, event.user_id, event.topic_id, None, now)
    await _tell(session, occasion, dict.fromkeys(event.mentions, "mention"))


async def tell_of_comment(session: WriteSession, event: ForumCommentCreated, event_id: UUID, now: datetime) -> None:
    """One notice each, for the best of the reasons: being named, being answered, watching."""
    comment = await repository.find_comment(session, event.comment_id) if event.comment_id else None
    if comment is None or comment.status != VISIBLE:
        return
    kinds = dict.fromkeys(await repository.list_watchers(session, event.topic_id, comment.created_at), "comment")
    parent = await repository.find_comment(session, comment.parent_id) if comment.parent_id else None
    if parent is not None:
        kinds[parent.user_id] = "reply"
    kinds |= dict.fromkeys(event.mentions, "mention")
    await _tell(session, Occasion(event_id, event.user_id, event.topic_id, comment.id, now), kinds)


async def tell_of_acceptance(session: WriteSession, event: ForumAnswerAccepted, event_id: UUID, now: datetime) -> None:
    """The event names who answered; who accepted is who asked."""
    topic = await repository.find_topic(session, event.topic_id)
    if topic is not None:
        occasion = Occasion(event_id, topic.user_id, topic.id, event.comment_id, now)
        await _tell(session, occasion, {event.user_id: "accepted"})


async def tell_of_removal(session: WriteSession, event: ForumTopicRemoved, event_id: UUID, now: datetime) -> None:
    """Authors hear when a moderator took their topic down; what they deleted themselves is no news."""
    topic = await session.get(Topic, event.topic_id)
    if topic is not None and topic.status == REMOVED and not await standing.find_barred(session, {event.user_id}):
        row = _row(Occasion(event_id, topic.deleted_by or event.user_id, topic.id, None, now), event.user_id, "removed")
        known = insert(Notification).values(row)
        await session.execute(known.on_conflict_do_nothing(index_elements=["user_id", "event_id"]))


async def _tell(session: WriteSession, occasion: Occasion, kinds: dict[UUID, str]) -> None:
    """Nobody is told of what they did themselves or do not want, of topics they muted, or while they are barred."""
    if await repository.find_topic(session, occasion.topic_id) is None:
        return
    deaf = {occasion.actor_id, *await repository.list_muting(session, occasion.topic_id, set(kinds))}
    deaf |= await standing.find_barred(session, set(kinds))
    unwanted = await repository.find_unwanted(session, set(kinds))
    wanted = {user_id: kind for user_id, kind in kinds.items() if kind not in unwanted.get(user_id, ())}
    rows = [_row(occasion, user_id, kind) for user_id, kind in wanted.items() if user_id not in deaf]
    for start in range(0, len(rows), BATCH):
        known = insert(Notification).values(rows[start : start + BATCH])
        await session.execute(known.on_conflict_do_nothing(index_elements=["user_id", "event_id"]))


def _row(occasion: Occasion, user_id: UUID, kind: str) -> dict[str, UUID | str | datetime | None]:
    return {
        "id": new_id(),
        "user_id": user_id,
        "kind": kind,
        "actor_id": occasion.actor_id,
        "topic_id": occasion.topic_id,
        "comment_id": occasion.comment_id,
        "event_id": occasion.event_id,
        "created_at": occasion.now,
    }


async def mark_seen(session: WriteSession, user_id: UUID, ids: Iterable[UUID] | None, now: datetime) -> None:
    """These notifications of the user, or all of them when `ids` is None. Other people's are left alone."""
    statement = update(Notification).where(Notification.user_id == user_id, Notification.seen_at.is_(None))
    if ids is not None:
        statement = statement.where(Notification.id.in_(list(ids)))
    await session.execute(statement.values(seen_at=now))


async def read_topic(session: WriteSession, user_id: UUID, topic_id: UUID, now: datetime) -> None:
    """The user has read the topic, so nothing of it is news. Raises TopicNotFound."""
    await repository.get_topic(session, topic_id)
    theirs = (Notification.user_id == user_id, Notification.topic_id == topic_id, Notification.seen_at.is_(None))
    await session.execute(update(Notification).where(*theirs).values(seen_at=now))


async def set_unwanted(session: WriteSession, user_id: UUID, kinds: list[str], now: datetime) -> None:
    """From now on the user hears of everything but these kinds."""
    news = {"unwanted": kinds, "updated_at": now}
    known = insert(NotificationSettings).values(user_id=user_id, **news)
    await session.execute(known.on_conflict_do_update(index_elements=["user_id"], set_=news))


async def forget_old(session: WriteSession, now: datetime) -> None:
    await session.execute(delete(Notification).where(Notification.created_at < now - KEPT))
