"""HTTP in, for what users are told of, and for what they want to be told of."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from starlette.responses import Response

from services.community import profiles
from services.community.forum import repository
from services.community.forum.endpoints.access import InActor, MayRead, MayWrite
from services.community.forum.models import Notification
from services.community.forum.schemas import (
    Author,
    NotificationRead,
    NotificationWishes,
    SeenBody,
    SubscriptionBody,
    SubscriptionRead,
    UnseenRead,
)
from services.community.forum.usecases import notifying, subscriptions
from services.community.parts import CommunityParts, Parts
from services.community.profiles import Known
from services.community.requests import InCommunity, Place
from shared.database import Database, Read, Write
from shared.identity import Caller, Principal
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router
from shared.sse import PING, PING_SECONDS, EventStream, event

router = Router(tags=["notifications"])

SSE: dict[int | str, dict[str, Any]] = {
    200: {"description": "notifications.snapshot, then what is new.", "content": {"text/event-stream": {}}}
}


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


def _notification(row: Row[Any], actors: Mapping[UUID, Known]) -> NotificationRead:
    """Who of the moderators removed something is told to nobody."""
    told: Notification = row.Notification
    facts = {name: getattr(told, name) for name in NotificationRead.model_fields.keys() & told.__mapper__.c.keys()}
    is_removal = told.kind == "removed"
    actor = Author() if is_removal else Author.model_validate(actors.get(told.actor_id, Author()))
    reason = row.reason if is_removal else None
    return NotificationRead(**facts, actor=actor, topic_title=row.title, reason=reason)


@router.get("/v1/notifications/stream", access=MayRead, responses=SSE, response_class=EventStream)
async def follow_notifications(caller: Caller, community: InCommunity, parts: Parts) -> Response:
    """What is new, as it happens. Each event carries how many are unseen by then; after a cut, read the list again."""
    return EventStream(_follow(community.runtime.database, parts, caller))


async def _follow(database: Database, parts: CommunityParts, caller: Principal) -> AsyncIterator[bytes]:
    """No stream holds a database session, and one whose sign-in ends is closed."""
    with parts.watching.watch(caller) as watch:
        yield b"retry: 3000\n\n"
        _, unseen = await asyncio.shield(_news(database, caller.user_id, []))
        yield event("notifications.snapshot", {"unseen": unseen})
        while not watch.revoked:
            ids = await watch.next(PING_SECONDS)
            if not ids:
                yield PING
                continue
            # A reader who leaves in the middle of a query must not cost the pool its connection.
            notices, unseen = await asyncio.shield(_news(database, caller.user_id, ids))
            for notice in notices:
                told = {"notification": notice.model_dump(mode="json"), "unseen": unseen}
                yield event("notification.created", told, str(notice.id))


async def _news(database: Database, user_id: UUID, ids: list[UUID]) -> tuple[list[NotificationRead], int]:
    async with database.read() as session:
        rows = await repository.list_notices(session, user_id, ids) if ids else []
        actors = await profiles.find_authors(session, {row.Notification.actor_id for row in rows})
        return [_notification(row, actors) for row in rows], await repository.count_unseen(session, user_id)


@router.get("/v1/notifications/count", access=MayRead)
async def count_notifications(session: Read, caller: Caller) -> UnseenRead:
    return UnseenRead(unseen=await repository.count_unseen(session, caller.user_id))


@router.post("/v1/notifications/seen", access=MayWrite, status_code=204)
async def mark_notifications_seen(body: SeenBody, session: Write, actor: InActor, community: InCommunity) -> None:
    await notifying.mark_seen(session, actor.user_id, body.ids, community.now)


@router.get("/v1/notifications/settings", access=MayRead)
async def read_notification_settings(session: Read, caller: Caller) -> NotificationWishes:
    unwanted = (await repository.find_unwanted(session, {caller.user_id})).get(caller.user_id, [])
    return NotificationWishes(**dict.fromkeys(unwanted, False))


@router.put("/v1/notifications/settings", access=MayWrite)
async def change_notification_settings(
    body: NotificationWishes, session: Write, actor: InActor, community: InCommunity
) -> NotificationWishes:
    """Say what you want to hear of from now on; fields that are left out are wanted."""
    unwanted = [kind for kind, is_wanted in body.model_dump().items() if not is_wanted]
    await notifying.set_unwanted(session, actor.user_id, unwanted, community.now)
    return body


@router.put("/v1/forum/topics/{topic_id}/read", access=MayWrite, status_code=204)
async def mark_topic_read(topic_id: UUID, session: Write, actor: InActor, community: InCommunity) -> None:
    """What was told of this topic is seen."""
    await notifying.read_topic(session, actor.user_id, topic_id, community.now)


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
