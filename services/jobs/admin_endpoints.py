"""What staff see and do: the queue, its lanes, its workers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.jobs import operator, repository
from services.jobs.errors import JobNotFound, JobNotRetryable
from services.jobs.models import Job
from services.jobs.parts import Parts
from services.jobs.schemas import JobRead, Status
from services.jobs.usecases import retry_job
from shared.database import Read
from shared.errors import NotFound
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, role

router = Router(tags=["admin"])

ADMIN = role("admin")
LaneName = Literal["interactive", "render", "remote"]


class AdminJobRead(JobRead):
    user_id: UUID


class LaneRead(BaseModel):
    """`tenants` have something ready; `slots` are those of workers that live and do not drain."""

    lane: str
    paused_at: datetime | None
    ready: int
    running: int
    waiting: int
    oldest_ready_seconds: float | None
    tenants: int
    slots: int


class WorkerRead(BaseModel):
    id: str
    host: str
    pid: int
    slots: dict[str, int]
    tools: list[str]
    started_at: datetime
    seen_at: datetime
    draining_at: datetime | None
    running: int


@router.get("/v1/admin/jobs", access=ADMIN)
async def list_all_jobs(
    session: Read,
    parts: Parts,
    user_id: UUID | None = None,
    status: Annotated[Status | None, Query()] = None,
    tool: Annotated[str | None, Query(max_length=64)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[AdminJobRead]:
    scope, cursors = f"admin:{user_id}:{status}:{tool}", parts.runtime.cursors
    position = cursors.read(scope, cursor) if cursor else None
    found = await repository.list_jobs(
        session, user_id=user_id, status=status, tool=tool, limit=limit, position=position
    )
    shown = {read.id: read for read in await parts.presenter.show_all(session, found)}

    def to_item(job: Job) -> AdminJobRead:
        return AdminJobRead(**shown[job.id].model_dump(), user_id=job.user_id)

    return page_of(found, limit, to_item, lambda job: cursors.sign(scope, [job.created_at, job.id]))


@router.get("/v1/admin/jobs/queues", access=ADMIN)
async def list_queues(parts: Parts) -> Page[LaneRead]:
    rows = await operator.list_lanes(parts.runtime)
    return Page(items=[LaneRead.model_validate(row) for row in rows], next_cursor=None)


@router.get("/v1/admin/jobs/workers", access=ADMIN)
async def list_workers(parts: Parts) -> Page[WorkerRead]:
    rows = await operator.list_workers(parts.runtime)
    return Page(items=[WorkerRead.model_validate(row) for row in rows], next_cursor=None)


@router.post("/v1/admin/jobs/lanes/{lane}/pause", access=ADMIN, status_code=204)
async def pause_lane(lane: LaneName, caller: Caller, parts: Parts) -> None:
    """Nothing of this lane is claimed any more; what runs goes on."""
    await operator.pause_lane(parts.runtime, lane, by=caller.user_id)


@router.post("/v1/admin/jobs/lanes/{lane}/resume", access=ADMIN, status_code=204)
async def resume_lane(lane: LaneName, parts: Parts) -> None:
    await operator.resume_lane(parts.runtime, lane)
    parts.wakeups.ring("work")


@router.post("/v1/admin/jobs/jobs/{job_id:uuid}/cancel", access=ADMIN)
async def cancel_any_job(job_id: UUID, parts: Parts) -> dict[str, str]:
    await _get_any(parts, job_id)
    status = await parts.queue.cancel(job_id, by="admin", now=parts.runtime.clock.now())
    parts.wakeups.ring("cancel", "change", "work")
    return {"status": status}


@router.post("/v1/admin/jobs/jobs/{job_id:uuid}/retry", access=ADMIN, status_code=202)
async def retry_any_job(job_id: UUID, parts: Parts) -> dict[str, UUID]:
    """On the owner's quota, as the owner would."""
    job = await _get_any(parts, job_id)
    if not job.is_over:
        raise JobNotRetryable
    async with parts.runtime.database.write() as session:
        new = await retry_job(session, parts.desk, job.user_id, job_id, parts.runtime.clock.now())
    parts.wakeups.ring("work", "change")
    return {"id": new}


@router.post("/v1/admin/jobs/workers/{worker_id}/drain", access=ADMIN, status_code=204)
async def drain_worker(worker_id: str, parts: Parts) -> None:
    """The worker claims nothing more; it finds the order within seconds."""
    if not await operator.drain_worker(parts.runtime, worker_id):
        raise NotFound("There is no such worker.")


async def _get_any(parts: Any, job_id: UUID) -> Job:
    async with parts.runtime.database.read() as session:
        found = await repository.list_jobs_by_id(session, [job_id])
    if not found:
        raise JobNotFound
    return found[0]
