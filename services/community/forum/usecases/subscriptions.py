"""Who hears of new comments: everybody who takes part, until they mute the topic."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from services.community.forum import repository
from services.community.forum.models import WATCHING, Subscription
from shared.database import WriteSession


async def take_part(session: WriteSession, topic_id: UUID, user_id: UUID, now: datetime) -> None:
    """Watch the topic from now on, unless the user has said what they want of it."""
    row = {"topic_id": topic_id, "user_id": user_id, "level": WATCHING, "created_at": now}
    await session.execute(insert(Subscription).values(**row).on_conflict_do_nothing())


async def subscribe(session: WriteSession, topic_id: UUID, user_id: UUID, level: str, now: datetime) -> None:
    """Watch or mute a topic. Raises TopicNotFound."""
    await repository.get_topic(session, topic_id)
    known = insert(Subscription).values(topic_id=topic_id, user_id=user_id, level=level, created_at=now)
    await session.execute(known.on_conflict_do_update(index_elements=["topic_id", "user_id"], set_={"level": level}))


async def unsubscribe(session: WriteSession, topic_id: UUID, user_id: UUID) -> None:
    mine = (Subscription.topic_id == topic_id, Subscription.user_id == user_id)
    await session.execute(delete(Subscription).where(*mine))
