"""Webhooks over HTTP."""

from uuid import UUID

from services.jobs.errors import WebhookUrlRefused
from services.jobs.models import WebhookDelivery, WebhookEndpoint
from services.jobs.parts import JobsParts, Parts
from services.jobs.schemas import CallbackRead, WebhookRequest
from services.jobs.webhooks import usecases
from services.jobs.webhooks.gateway import AddressRefused
from services.jobs.webhooks.schemas import DeliveryRead, EndpointRead, EndpointShown
from services.jobs.webhooks.signing import secret_of
from shared.database import Read, Write, WriteSession
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.rate_limits import Rule, enforce
from shared.routing import Router, user

router = Router(tags=["webhooks"])

REDELIVERIES = Rule(60, 60)
READS, WRITES = user(scope="jobs:read"), user(scope="jobs:write")


@router.post("/v1/webhook-endpoints", access=WRITES, status_code=201)
async def create_endpoint(body: WebhookRequest, caller: Caller, session: Write, parts: Parts) -> EndpointShown:
    """Be told how jobs end. The secret is shown once."""
    check(parts, body, "url")
    now = parts.runtime.clock.now()
    endpoint = await usecases.create_endpoint(session, caller.user_id, body.url, body.events, now)
    return _with_secret(parts, endpoint)


@router.get("/v1/webhook-endpoints", access=READS)
async def list_endpoints(caller: Caller, session: Read) -> Page[EndpointRead]:
    return Page(items=[_shown(one) for one in await usecases.list_endpoints(session, caller.user_id)], next_cursor=None)


@router.delete("/v1/webhook-endpoints/{endpoint_id:uuid}", access=WRITES, status_code=204)
async def delete_endpoint(endpoint_id: UUID, caller: Caller, session: Write) -> None:
    """With its log, and with what was still to be sent."""
    await usecases.delete_endpoint(session, caller.user_id, endpoint_id)


@router.post("/v1/webhook-endpoints/{endpoint_id:uuid}/rotate", access=WRITES)
async def rotate_secret(endpoint_id: UUID, caller: Caller, session: Write, parts: Parts) -> EndpointShown:
    """A new secret, shown once. For a day messages are signed with the old one as well."""
    now = parts.runtime.clock.now()
    return _with_secret(parts, await usecases.rotate_secret(session, caller.user_id, endpoint_id, now))


@router.get("/v1/webhook-endpoints/{endpoint_id:uuid}/deliveries", access=READS)
async def list_deliveries(
    endpoint_id: UUID, caller: Caller, session: Read, parts: Parts, cursor: Cursor = None, limit: Limit = 50
) -> Page[DeliveryRead]:
    await usecases.get_endpoint(session, caller.user_id, endpoint_id)
    scope, cursors = f"deliveries:{endpoint_id}", parts.runtime.cursors
    position = cursors.read(scope, cursor) if cursor else None
    found = await usecases.list_deliveries(session, endpoint_id, limit, position)
    return page_of(found, limit, _delivery, lambda one: cursors.sign(scope, [one.created_at, one.id]))


@router.post(
    "/v1/webhook-endpoints/{endpoint_id:uuid}/deliveries/{delivery_id:uuid}/redeliver", access=WRITES, status_code=202
)
async def redeliver(endpoint_id: UUID, delivery_id: UUID, caller: Caller, session: Write, parts: Parts) -> DeliveryRead:
    """Send a message again, within seconds and under its old id."""
    async with parts.runtime.database.pool.connection() as connection:
        await enforce(connection, f"redeliver:{caller.user_id}", REDELIVERIES, "Ask for fewer redeliveries a minute.")
    now = parts.runtime.clock.now()
    return _delivery(await usecases.redeliver(session, caller.user_id, endpoint_id, delivery_id, now))


def check(parts: JobsParts, body: WebhookRequest, field: str) -> None:
    """Raises WebhookUrlRefused, naming the field."""
    try:
        parts.webhooks.check_url(body.url)
    except AddressRefused as refused:
        error = {"field": field, "code": "webhook_url_refused", "detail": str(refused)}
        raise WebhookUrlRefused(str(refused), errors=[error]) from None


async def attach(
    parts: JobsParts, session: WriteSession, user_id: UUID, body: WebhookRequest, **only: UUID
) -> CallbackRead:
    """Tell this URL of one job or batch."""
    now = parts.runtime.clock.now()
    endpoint = await usecases.create_endpoint(session, user_id, body.url, body.events, now, **only)
    secret = secret_of(endpoint.secret_id, parts.settings.signing_secret)
    return CallbackRead(endpoint_id=endpoint.id, url=endpoint.url, events=endpoint.events, secret=secret)


def _shown(endpoint: WebhookEndpoint) -> EndpointRead:
    same = {name: getattr(endpoint, name) for name in EndpointRead.model_fields if name != "previous_secret_until"}
    return EndpointRead(**same, previous_secret_until=endpoint.previous_until)


def _with_secret(parts: JobsParts, endpoint: WebhookEndpoint) -> EndpointShown:
    secret = secret_of(endpoint.secret_id, parts.settings.signing_secret)
    return EndpointShown(**_shown(endpoint).model_dump(), secret=secret)


def _delivery(delivery: WebhookDelivery) -> DeliveryRead:
    same = {name: getattr(delivery, name) for name in DeliveryRead.model_fields if name != "next_try_at"}
    return DeliveryRead(**same, next_try_at=delivery.next_try_at if delivery.status == "PENDING" else None)
