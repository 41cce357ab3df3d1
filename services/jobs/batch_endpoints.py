"""Batches over HTTP."""

from uuid import UUID

from starlette.responses import Response

from services.jobs import batches, repository
from services.jobs.orders import order_of
from services.jobs.parts import JobsParts, Parts
from services.jobs.schemas import BatchItem, BatchRead, BatchRequest
from services.jobs.usecases import Order
from services.jobs.webhooks import endpoints as webhooks
from shared.database import Read, ReadSession
from shared.idempotency import Idempotency
from shared.identity import Caller
from shared.routing import Router, user

router = Router(tags=["jobs"])

BATCH = {"model": BatchRead, "description": "The batch."}


@router.post("/v1/jobs/batches", access=user(scope="jobs:write"), status_code=202, responses={202: BATCH})
async def create_batch(body: BatchRequest, caller: Caller, parts: Parts, once: Idempotency) -> Response:
    """Accept up to a hundred jobs together: all of them, or none when one is invalid or the quota is too small."""
    if body.webhook:
        webhooks.check(parts, body.webhook, "webhook.url")
    orders = [_order(parts, number, item) for number, item in enumerate(body.items)]
    async with parts.runtime.database.write() as session:

        async def act() -> BatchRead:
            now = parts.runtime.clock.now()
            batch_id = await batches.create_batch(session, parts.desk, caller.user_id, orders, body.metadata, now)
            batch = await _read(parts, session, caller.user_id, batch_id)
            if body.webhook:
                batch.webhook = await webhooks.attach(parts, session, caller.user_id, body.webhook, batch_id=batch_id)
            return batch

        response = await once.respond(session, act, status=202, headers=_location)
    parts.wakeups.ring("work", "change")
    return response


@router.get("/v1/jobs/batches/{batch_id:uuid}", access=user(scope="jobs:read"))
async def read_batch(batch_id: UUID, caller: Caller, session: Read, parts: Parts) -> BatchRead:
    return await _read(parts, session, caller.user_id, batch_id)


def _order(parts: JobsParts, number: int, item: BatchItem) -> Order:
    with batches.naming_item(number):
        return order_of(item.family or parts.desk.catalogue.family_of(item.tool), item)


def _location(batch: BatchRead) -> dict[str, str]:
    return {"Location": f"/v1/jobs/batches/{batch.id}"}


async def _read(parts: JobsParts, session: ReadSession, user_id: UUID, batch_id: UUID) -> BatchRead:
    batch = await repository.get_batch(session, user_id, batch_id)
    jobs = await repository.list_jobs_of_batch(session, batch_id)
    return BatchRead(
        id=batch.id,
        status="RUNNING" if batch.completed_at is None else "COMPLETED",
        total=batch.total,
        counts=await repository.count_batch(session, batch_id),
        metadata=batch.metadata_,
        created_at=batch.created_at,
        completed_at=batch.completed_at,
        items=await parts.presenter.show_all(session, jobs),
    )
