"""HTTP in, for what users are told of, and for what they want to be told of."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from services.community import profiles
from services.community.forum import repository
from services.community.forum.endpoints.access import InActor, MayRead, MayWrite
from services.community.forum.models import Notification
from services.community.forum.schemas import (
    Author,
    NotificationRead,
    SeenBody,
    SubscriptionBody,
    SubscriptionRead,
    UnseenRead,
)
from services.community.forum.usecases import notifying, subscriptions
from services.community.models import Profile
from services.community.requests import InCommunity, Place
from shared.database import Read, Write
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router

router = Router(tags=["notifications"])


@router.get("/v1/notifications", access=MayRead)
async def list_notifications(
    session: Read,
    caller: Caller,
    community: InCommunity,
    unseen: bool = False,  # noqa: FBT001, FBT002 - a query parameter
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[NotificationRead]:
    """Newest first, for ninety days. Posts that were removed are not told of any more."""
    place = Place(community, f"notifications:{caller.user_id}:{unseen}", cursor)
    rows = await repository.list_notifications(session, caller.user_id, place.values, limit, unseen=unseen)
    actors = await profiles.find_authors(session, {row.Notification.actor_id for row in rows})
    return page_of(rows, limit, lambda row: _notification(row, actors), lambda row: place.after(row.Notification.id))


def _notification(row: Row[Any], actors: Mapping[UUID, Profile]) -> NotificationRead:
    told: Notification = row.Notification
    facts = {name: getattr(told, name) for name in NotificationRead.model_fields.keys() & told.__mapper__.c.keys()}
    actor = Author.model_validate(actors.get(told.actor_id, Author()))
    return NotificationRead(**facts, actor=actor, topic_title=row.title)


@router.get("/v1/notifications/count", access=MayRead)
async def count_notifications(session: Read, caller: Caller) -> UnseenRead:
    return UnseenRead(unseen=await repository.count_unseen(session, caller.user_id))


@router.post("/v1/notifications/seen", access=MayWrite, status_code=204)
async def mark_notifications_seen(body: SeenBody, session: Write, actor: InActor, community: InCommunity) -> None:
    await notifying.mark_seen(session, actor.user_id, body.ids, community.now)


@router.get("/v1/forum/topics/{topic_id}/subscription", access=MayRead)
async def read_subscription(topic_id: UUID, session: Read, caller: Caller) -> SubscriptionRead:
    await repository.get_topic(session, topic_id)
    return SubscriptionRead.model_validate({"level": await repository.find_level(session, topic_id, caller.user_id)})


@router.put("/v1/forum/topics/{topic_id}/subscription", access=MayWrite)
async def subscribe(
    topic_id: UUID, body: SubscriptionBody, session: Write, actor: InActor, community: InCommunity
) -> SubscriptionRead:
    """Watch a topic, or mute it. Who opens or answers a topic watches it without asking."""
    await subscriptions.subscribe(session, topic_id, actor.user_id, body.level, community.now)
    return SubscriptionRead(level=body.level)


@router.delete("/v1/forum/topics/{topic_id}/subscription", access=MayWrite, status_code=204)
async def unsubscribe(topic_id: UUID, session: Write, actor: InActor) -> None:
    await subscriptions.unsubscribe(session, topic_id, actor.user_id)
