"""Jobs over HTTP: the catalogue, orders, and what became of them."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query
from starlette.responses import RedirectResponse, Response

from services.jobs import (
    admin_endpoints,
    batch_endpoints,
    file_endpoints,
    repository,
    runner_endpoints,
    streams,
    usecases,
)
from services.jobs.catalogue import ToolRead, entries
from services.jobs.errors import InvalidJob, JobHasNoResult, ResultGone
from services.jobs.models import Job
from services.jobs.orders import order_of
from services.jobs.parts import JobsParts, Parts
from services.jobs.presenting import wait
from services.jobs.schemas import (
    EstimateRead,
    EstimateRequest,
    JobRead,
    JobRequest,
    Status,
    UsageRead,
    WebhookRequest,
)
from services.jobs.webhooks import endpoints as webhooks
from shared.database import Read, Write
from shared.idempotency import Idempotency, Once
from shared.identity import Caller, Principal
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, public, user

router = Router(tags=["jobs"])
router.include(streams.router)
router.include(batch_endpoints.router)
router.include(file_endpoints.router)
router.include(admin_endpoints.router)
router.include(runner_endpoints.router)
router.include(webhooks.router)

READS, WRITES = user(scope="jobs:read"), user(scope="jobs:write")
# Shorter than gateways wait for an answer: theirs would be an error, for an order that was accepted.
LONGEST_WAIT_SECONDS = 50
_WAIT = re.compile(r"\bwait\s*=\s*(\d{1,6})\b")
JOB = {"model": JobRead, "description": "The job."}

PREFER = f"`wait=N` answers 200 if it ends within N seconds; after {LONGEST_WAIT_SECONDS} at the latest it answers 202."
Prefer = Annotated[str | None, Header(max_length=200, description=PREFER)]


@router.get("/v1/tools", access=public)
async def list_tools(session: Read, parts: Parts) -> Page[ToolRead]:
    return Page(items=entries(await usecases.catalogue_now(session, parts.desk)), next_cursor=None)


@router.post("/v1/ai/jobs", access=WRITES, status_code=202, responses={200: JOB, 202: JOB})
async def create_ai_job(
    body: JobRequest, caller: Caller, parts: Parts, once: Idempotency, prefer: Prefer = None
) -> Response:
    return await _create(parts, caller, once, "ai", body, _seconds(prefer))


@router.post("/v1/studio/jobs", access=WRITES, status_code=202, responses={200: JOB, 202: JOB})
async def create_studio_job(
    body: JobRequest, caller: Caller, parts: Parts, once: Idempotency, prefer: Prefer = None
) -> Response:
    return await _create(parts, caller, once, "studio", body, _seconds(prefer))


@router.post("/v1/jobs/estimate", access=READS)
async def estimate_job(body: EstimateRequest, caller: Caller, session: Read, parts: Parts) -> EstimateRead:
    """What a job would cost and how long it would wait. Writes nothing."""
    now = parts.runtime.clock.now()
    allowance, counters = await usecases.tell_usage(session, caller.user_id, now)
    left = {name: max(0, limit - _spoken_for(counters[name])) for name, limit in allowance.limits.items()}
    order = order_of(body.family or parts.desk.catalogue.family_of(body.tool), body)
    try:
        plan = await usecases.plan_order(session, parts.desk, caller.user_id, order)
    except InvalidJob as problem:
        return EstimateRead(valid=False, units={}, quota_left=left, eta_seconds=None, errors=problem.errors or [])
    pace = await parts.presenter.paces.of(plan.lane, plan.tool.id)
    own, others = await repository.count_ready(session, caller.user_id, plan.lane)
    eta = wait(own, others, allowance.max_running, pace)
    return EstimateRead(valid=True, units=plan.units, quota_left=left, eta_seconds=eta)


@router.get("/v1/jobs/usage", access=READS)
async def read_usage(caller: Caller, session: Read, parts: Parts) -> dict[str, UsageRead]:
    allowance, counters = await usecases.tell_usage(session, caller.user_id, parts.runtime.clock.now())
    return {
        metric: UsageRead(
            used=row.used if row else 0,
            reserved=row.reserved if row else 0,
            limit=allowance.limits[metric],
            resets_at=allowance.period_end,
        )
        for metric, row in counters.items()
    }


@router.get("/v1/jobs", access=READS)
async def list_jobs(
    caller: Caller,
    session: Read,
    parts: Parts,
    status: Annotated[Status | None, Query()] = None,
    tool: Annotated[str | None, Query(max_length=64)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[JobRead]:
    return await _page(parts, session, caller, (None, status, tool), cursor, limit)


@router.get("/v1/ai/jobs", access=READS)
async def list_ai_jobs(
    caller: Caller,
    session: Read,
    parts: Parts,
    status: Annotated[Status | None, Query()] = None,
    tool: Annotated[str | None, Query(max_length=64)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[JobRead]:
    return await _page(parts, session, caller, ("ai", status, tool), cursor, limit)


@router.get("/v1/studio/jobs", access=READS)
async def list_studio_jobs(
    caller: Caller,
    session: Read,
    parts: Parts,
    status: Annotated[Status | None, Query()] = None,
    tool: Annotated[str | None, Query(max_length=64)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[JobRead]:
    return await _page(parts, session, caller, ("studio", status, tool), cursor, limit)


@router.get("/v1/jobs/{job_id:uuid}", access=READS)
async def read_job(job_id: UUID, caller: Caller, session: Read, parts: Parts, response: Response) -> JobRead:
    job = await repository.get_job(session, caller.user_id, job_id)
    response.headers["ETag"] = f'"{job.version}"'
    return await parts.presenter.show(session, job)


@router.post("/v1/jobs/{job_id:uuid}/cancel", access=WRITES, responses={202: JOB})
async def cancel_job(job_id: UUID, caller: Caller, parts: Parts, response: Response) -> JobRead:
    """200 when the job is over; 202 while its runner stops it."""
    async with parts.runtime.database.read() as session:
        await repository.get_job(session, caller.user_id, job_id)
    status = await parts.queue.cancel(job_id, by="user", now=parts.runtime.clock.now())
    parts.wakeups.ring("cancel", "change", "work")
    response.status_code = 202 if status == "PROCESSING" else 200
    async with parts.runtime.database.read() as session:
        return await parts.presenter.show(session, await repository.get_job(session, caller.user_id, job_id))


@router.post("/v1/jobs/{job_id:uuid}/retry", access=WRITES, status_code=202, responses={202: JOB})
async def retry_job(job_id: UUID, caller: Caller, parts: Parts, once: Idempotency) -> Response:
    """Order a failed or cancelled job again, as a new job with `retry_of`."""

    async def order(session: Write) -> UUID:
        return await usecases.retry_job(session, parts.desk, caller.user_id, job_id, parts.runtime.clock.now())

    return await _accept(parts, caller, once, order)


@router.delete("/v1/jobs/{job_id:uuid}", access=WRITES, status_code=204)
async def delete_job(job_id: UUID, caller: Caller, parts: Parts) -> None:
    """Erase an ended job with its files and words; its use stays counted."""
    async with parts.runtime.database.write() as session:
        keys = await usecases.delete_job(session, caller.user_id, job_id, parts.runtime.clock.now())
    for key in keys:
        await parts.runtime.storage.delete(key)


@router.get("/v1/jobs/{job_id:uuid}/result", access=READS, status_code=302, response_class=RedirectResponse)
async def read_result(job_id: UUID, caller: Caller, session: Read, parts: Parts) -> RedirectResponse:
    """Redirects to the first file, by a link that is good for some minutes."""
    job = await repository.get_job(session, caller.user_id, job_id)
    if job.result_expired_at or (job.expires_at and job.expires_at <= parts.runtime.clock.now()):
        raise ResultGone
    if not job.result_files:
        raise JobHasNoResult
    return RedirectResponse(parts.presenter.link(job.result_files[0]["key"]), 302)


async def _create(
    parts: JobsParts, caller: Principal, once: Once, family: str, body: JobRequest, seconds: int
) -> Response:
    order = order_of(family, body)
    if body.webhook:
        webhooks.check(parts, body.webhook, "webhook.url")

    async def create(session: Write) -> UUID:
        return await usecases.create_job(session, parts.desk, caller.user_id, order, parts.runtime.clock.now())

    response = await _accept(parts, caller, once, create, body.webhook)
    if not seconds:
        return response
    accepted = JobRead.model_validate_json(bytes(response.body))
    job = await streams.wait_until_over(parts, caller, accepted.id, seconds)
    if job is None:
        return response
    job.webhook = accepted.webhook
    headers = {name: value for name, value in response.headers.items() if name in {"location", "idempotency-replayed"}}
    return Response(job.model_dump_json(), 200, headers, "application/json")


async def _accept(
    parts: JobsParts, caller: Principal, once: Once, create: Any, webhook: WebhookRequest | None = None
) -> Response:
    """Create in a short transaction of its own and answer 202: what waits for the end waits without a session."""
    async with parts.runtime.database.write() as session:

        async def act() -> JobRead:
            job_id = await create(session)
            job = await parts.presenter.show(session, await repository.get_job(session, caller.user_id, job_id))
            if webhook:
                job.webhook = await webhooks.attach(parts, session, caller.user_id, webhook, job_id=job_id)
            return job

        response = await once.respond(session, act, status=202, headers=_location)
    parts.wakeups.ring("work", "change")
    return response


def _location(job: JobRead) -> dict[str, str]:
    return {"Location": f"/v1/jobs/{job.id}"}


def _seconds(prefer: str | None) -> int:
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), LONGEST_WAIT_SECONDS) if found else 0


def _spoken_for(row: Any) -> int:
    return row.used + row.reserved if row else 0


async def _page(
    parts: JobsParts,
    session: Read,
    caller: Principal,
    filters: tuple[str | None, str | None, str | None],
    cursor: str | None,
    limit: int,
) -> Page[JobRead]:
    scope, cursors = f"jobs:{caller.user_id}:{filters}", parts.runtime.cursors
    family, status, tool = filters
    jobs = await repository.list_jobs(
        session,
        user_id=caller.user_id,
        family=family,
        status=status,
        tool=tool,
        limit=limit,
        position=cursors.read(scope, cursor) if cursor else None,
    )
    shown = {read.id: read for read in await parts.presenter.show_all(session, jobs)}

    def to_cursor(job: Job) -> str:
        return cursors.sign(scope, [job.created_at, job.id])

    return page_of(jobs, limit, lambda job: shown[job.id], to_cursor)
