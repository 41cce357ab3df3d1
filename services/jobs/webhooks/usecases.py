"""What users can do with their webhooks."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select

from services.jobs.errors import DeliveryNotFound, EndpointDisabled, EndpointNotFound, TooManyEndpoints
from services.jobs.models import WebhookDelivery, WebhookEndpoint
from shared.database import ReadSession, WriteSession
from shared.ids import new_id
from shared.pagination import after

MOST_ENDPOINTS = 20
OVERLAP = timedelta(hours=24)

_STANDING = (WebhookEndpoint.job_id.is_(None), WebhookEndpoint.batch_id.is_(None))


async def create_endpoint(
    session: WriteSession, user_id: UUID, url: str, events: Sequence[str], now: datetime, **only: UUID
) -> WebhookEndpoint:
    """Tell this URL from now on; with `job_id` or `batch_id`, of that one alone. Raises TooManyEndpoints."""
    if not only:
        held = select(func.count()).where(WebhookEndpoint.user_id == user_id, *_STANDING)
        if (await session.scalar(held) or 0) >= MOST_ENDPOINTS:
            raise TooManyEndpoints
    # The secret's id comes from the system's randomness alone, never from the clock.
    endpoint = WebhookEndpoint(
        id=new_id(), user_id=user_id, url=url, events=sorted(set(events)), secret_id=uuid4(), created_at=now, **only
    )
    session.add(endpoint)
    await session.flush()
    return endpoint


async def list_endpoints(session: ReadSession, user_id: UUID) -> Sequence[WebhookEndpoint]:
    query = select(WebhookEndpoint).where(WebhookEndpoint.user_id == user_id, *_STANDING)
    return (await session.scalars(query.order_by(WebhookEndpoint.created_at, WebhookEndpoint.id))).all()


async def get_endpoint(session: ReadSession, user_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    """A user's own, also that of a single job. Raises EndpointNotFound."""
    endpoint = await session.get(WebhookEndpoint, endpoint_id)
    if endpoint is None or endpoint.user_id != user_id:
        raise EndpointNotFound
    return endpoint


async def rotate_secret(session: WriteSession, user_id: UUID, endpoint_id: UUID, now: datetime) -> WebhookEndpoint:
    """A new secret; the one before it signs as well for a day, so that nobody has to change both ends at once."""
    endpoint = await get_endpoint(session, user_id, endpoint_id)
    endpoint.previous_secret_id, endpoint.previous_until = endpoint.secret_id, now + OVERLAP
    endpoint.secret_id = uuid4()
    await session.flush()
    return endpoint


async def delete_endpoint(session: WriteSession, user_id: UUID, endpoint_id: UUID) -> None:
    endpoint = await get_endpoint(session, user_id, endpoint_id)
    await session.execute(delete(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id))
    await session.delete(endpoint)


async def list_deliveries(
    session: ReadSession, endpoint_id: UUID, limit: int, position: Sequence[Any] | None
) -> Sequence[WebhookDelivery]:
    """Newest first, one more than `limit`; `position` is the cursor's (created_at, id)."""
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    query = after(query, [WebhookDelivery.created_at, WebhookDelivery.id], position, descending=True)
    return (await session.scalars(query.limit(limit + 1))).all()


async def redeliver(
    session: WriteSession, user_id: UUID, endpoint_id: UUID, delivery_id: UUID, now: datetime
) -> WebhookDelivery:
    """Send a message again, with eight new tries and its old id. Raises DeliveryNotFound and EndpointDisabled."""
    endpoint = await get_endpoint(session, user_id, endpoint_id)
    delivery = await session.get(WebhookDelivery, delivery_id, with_for_update=True)
    if delivery is None or delivery.endpoint_id != endpoint.id:
        raise DeliveryNotFound
    if endpoint.disabled_at is not None:
        raise EndpointDisabled
    delivery.status, delivery.attempts, delivery.next_try_at = "PENDING", 0, now
    await session.flush()
    return delivery
