"""Jobs as they happen, over server-sent events. No stream holds a database session; a disconnect is not a cancel."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header
from starlette.responses import Response

from services.jobs import repository
from services.jobs.feed import Watch
from services.jobs.models import Job
from services.jobs.parts import JobsParts, Parts
from services.jobs.schemas import JobRead
from shared.identity import Caller, Principal
from shared.routing import Router, user
from shared.sse import PING, PING_SECONDS, EventStream, event

router = Router(tags=["jobs"])

QUEUE_SECONDS = 2
PROGRESS_SECONDS = 0.25
SSE: dict[int | str, dict[str, Any]] = {
    200: {"description": "job.snapshot, then what happens.", "content": {"text/event-stream": {}}},
    204: {"description": "Everything has been told; do not come back."},
}
LastEventId = Annotated[str | None, Header(max_length=100)]


@router.get("/v1/jobs/events", access=user(scope="jobs:read"), responses=SSE, response_class=EventStream)
async def follow_my_jobs(caller: Caller, parts: Parts, last_event_id: LastEventId = None) -> Response:
    """All of the caller's jobs on one connection, for as long as it is open."""
    return EventStream(_follow(parts, caller, None, last_event_id))


@router.get("/v1/jobs/{job_id:uuid}/events", access=user(scope="jobs:read"), responses=SSE, response_class=EventStream)
async def follow_job(job_id: UUID, caller: Caller, parts: Parts, last_event_id: LastEventId = None) -> Response:
    """One job until it is over."""
    async with parts.runtime.database.read() as session:
        job = await repository.get_job(session, caller.user_id, job_id)
    if job.is_over and last_event_id == f"{job.id}:{job.version}":
        return Response(status_code=204)
    return EventStream(_follow(parts, caller, job_id, last_event_id))


async def wait_until_over(parts: JobsParts, caller: Principal, job_id: UUID, seconds: float) -> JobRead | None:
    """The job when it is over within so many seconds, else None. Holds no session while it waits."""
    deadline = time.monotonic() + seconds
    with parts.feed.watch(caller) as watch:
        while True:
            async with parts.runtime.database.read() as session:
                job = await repository.get_job(session, caller.user_id, job_id)
                if job.is_over:
                    return await parts.presenter.show(session, job)
            while not any(news.id == job_id for news in await watch.next(max(0.01, deadline - time.monotonic()))):
                if time.monotonic() >= deadline:
                    return None


@dataclass
class Told:
    """What a reader knows of a job."""

    version: int
    status: str
    place: tuple[int, int] | None
    at: float = field(default_factory=time.monotonic)


@dataclass
class Story:
    """Turns states of jobs into the events that lie between them, each told once."""

    told: dict[UUID, Told] = field(default_factory=dict)

    def begin(self, job: JobRead) -> list[bytes]:
        """The state a reader starts from; for a job that is over its end as well."""
        self._note(job)
        events = [_event("job.snapshot", job, job.model_dump(mode="json"))]
        return events + ([_end(job)] if job.status in _ENDS else [])

    def go_on(self, job: JobRead) -> list[bytes]:
        """What happened since the last state that was told."""
        known = self.told.get(job.id)
        if known is None:
            return self.begin(job)
        if job.version < known.version or (job.version == known.version and self._place(job) in {None, known.place}):
            known.at = time.monotonic()
            return []
        events = self._between(known, job)
        self._note(job)
        return events

    def _between(self, known: Told, job: JobRead) -> list[bytes]:
        events = []
        if job.status == "PENDING":
            place = job.queue.model_dump() if job.queue else {}
            events.append(_event("job.queued", job, {"reason": job.reason, **place}))
        elif known.status == "PENDING" and job.started_at and job.status != "CANCELLED":
            started = {"attempt": job.attempt, "engine": job.engine.model_dump()}
            # A job may start and end between two looks; its end has the newer id.
            step = job.version - 1 if job.status in _ENDS else job.version
            events.append(_event("job.started", job, started, version=step))
        elif job.status == "PROCESSING":
            events.append(_event("job.progress", job, {"progress": job.progress, "stage": job.stage}))
        return events + ([_end(job)] if job.status in _ENDS else [])

    def _note(self, job: JobRead) -> None:
        self.told[job.id] = Told(job.version, job.status, self._place(job))

    def _place(self, job: JobRead) -> tuple[int, int] | None:
        return (job.queue.position, job.queue.ahead) if job.queue else None

    def waiting(self) -> list[UUID]:
        """Jobs in the queue whose place was not told for a while."""
        due = time.monotonic() - QUEUE_SECONDS
        return [job_id for job_id, told in self.told.items() if told.status == "PENDING" and told.at < due]


_ENDS = {"COMPLETED": "job.completed", "FAILED": "job.failed", "CANCELLED": "job.cancelled"}


def _end(job: JobRead) -> bytes:
    return _event(_ENDS[job.status], job, job.model_dump(mode="json"))


def _event(name: str, job: JobRead, more: dict[str, Any], *, version: int | None = None) -> bytes:
    data = {"id": str(job.id), "status": job.status, **more}
    mark = f"{job.id}:{job.version if version is None else version}"
    return event(name, data, mark)


async def _follow(
    parts: JobsParts, caller: Principal, only: UUID | None, last_event_id: str | None
) -> AsyncIterator[bytes]:
    story, spoken = Story(), time.monotonic()
    with parts.feed.watch(caller) as watch:
        yield b"retry: 3000\n\n"
        for event in await _beginning(parts, caller, only, story, last_event_id):
            yield event
        while not (watch.revoked or _is_told(story, only)):
            events = await _next_events(parts, caller, watch, only, story)
            for event in events:
                yield event
            if events:
                spoken = time.monotonic()
            elif time.monotonic() - spoken >= PING_SECONDS:
                spoken = time.monotonic()
                yield PING


def _is_told(story: Story, only: UUID | None) -> bool:
    return only is not None and only in story.told and story.told[only].status in _ENDS


async def _beginning(
    parts: JobsParts, caller: Principal, only: UUID | None, story: Story, last_event_id: str | None
) -> list[bytes]:
    """A snapshot of the one job, or of all that is going on; after a reconnect also of what ended meanwhile."""
    async with parts.runtime.database.read() as session:
        if only is not None:
            jobs = [await repository.get_job(session, caller.user_id, only)]
        else:
            jobs = list(await repository.list_live_jobs(session, caller.user_id))
            if last_event_id is not None:
                ended = await repository.list_recently_ended(session, caller.user_id, parts.runtime.clock.now())
                jobs += [job for job in ended if f"{job.id}:{job.version}" != last_event_id]
        return [event for read in await parts.presenter.show_all(session, jobs) for event in story.begin(read)]


async def _next_events(
    parts: JobsParts, caller: Principal, watch: Watch, only: UUID | None, story: Story
) -> list[bytes]:
    """What there is to tell next; empty after a short quiet."""
    news = [job for job in await watch.next(QUEUE_SECONDS) if only in {None, job.id}]
    if watch.revoked:
        return []
    if news and all(job.status == "PROCESSING" for job in news):
        # Reports come in bursts; whoever reads four states a second sees a film.
        await asyncio.sleep(PROGRESS_SECONDS)
    fresh = await _refresh(parts, caller, news, story.waiting())
    return [event for job in fresh for event in story.go_on(job)]


async def _refresh(parts: JobsParts, caller: Principal, news: list[Job], waiting: list[UUID]) -> list[JobRead]:
    ids = {job.id for job in news} | set(waiting)
    if not ids:
        return []
    async with parts.runtime.database.read() as session:
        jobs = [job for job in await repository.list_jobs_by_id(session, list(ids)) if job.user_id == caller.user_id]
        return await parts.presenter.show_all(session, sorted(jobs, key=lambda job: job.id))
