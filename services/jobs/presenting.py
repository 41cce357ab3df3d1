"""From rows to what users see: positions, times to wait, and links that are good for some minutes."""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from uuid import UUID

from services.jobs import repository
from services.jobs.models import Job
from services.jobs.pace import Pace, Paces
from services.jobs.schemas import (
    RETRYABLE,
    EngineRead,
    ErrorRead,
    FileRead,
    JobRead,
    QueueRead,
    Range,
    ResultRead,
)
from shared.database import ReadSession
from shared.storage import Storage


class Presenter:
    """Knows what a row does not: how fast the lanes are, and how to sign a link."""

    def __init__(self, storage: Storage, paces: Paces, *, link_seconds: int) -> None:
        self._storage, self.paces, self._link_seconds = storage, paces, link_seconds

    async def show(self, session: ReadSession, job: Job) -> JobRead:
        return (await self.show_all(session, [job]))[0]

    async def show_all(self, session: ReadSession, jobs: Sequence[Job]) -> list[JobRead]:
        places = await self._places(session, [job for job in jobs if job.status == "PENDING"])
        return [self._read(job, places.get(job.id)) for job in jobs]

    async def _places(self, session: ReadSession, waiting: Sequence[Job]) -> Mapping[UUID, QueueRead]:
        if not waiting:
            return {}
        rows = {row.job_id: row for row in await repository.list_ahead(session, [job.id for job in waiting])}
        return {
            job.id: place(int(row.own), int(row.others), row.max_running, await self.paces.of(job.lane, job.tool))
            for job in waiting
            if (row := rows.get(job.id))
        }

    def link(self, key: str) -> str:
        """A link to a file, good for some minutes of wall time."""
        return self._storage.signed_url("GET", key, expires_at=int(time.time()) + self._link_seconds)

    def _read(self, job: Job, queue: QueueRead | None) -> JobRead:
        return JobRead(
            **{name: getattr(job, name) for name in _SAME},
            queue=queue,
            result=self._result(job),
            error=_error(job),
            engine=EngineRead(provider=job.provider, version=job.engine_version),
            usage=job.units_held if job.units_used is None else job.units_used,
            metadata=job.metadata_,
        )

    def _result(self, job: Job) -> ResultRead | None:
        if job.status != "COMPLETED" or job.result_expired_at is not None or job.expires_at is None:
            return None
        files = [FileRead(url=self.link(file["key"]), **file) for file in job.result_files or ()]
        url = files[0].url if files else None
        return ResultRead(url=url, expires_at=job.expires_at.astimezone(UTC), files=files, data=job.result_data)


_SAME = sorted(set(JobRead.model_fields) - {"queue", "result", "error", "engine", "usage", "metadata", "webhook"})


def _error(job: Job) -> ErrorRead | None:
    if job.error_code is None:
        return None
    return ErrorRead(code=job.error_code, message=job.error_message, retryable=job.error_code in RETRYABLE)


def place(own: int, others: int, max_running: int, pace: Pace) -> QueueRead:
    """Where a job stands that has `own` of its owner's and `others` of other people's jobs before it."""
    return QueueRead(position=own + others + 1, ahead=own + others, eta_seconds=wait(own, others, max_running, pace))


def wait(own: int, others: int, max_running: int, pace: Pace) -> Range:
    """Seconds until the start: everything before it through all slots, or the owner's own through fewer."""
    lanes = max(1, pace.slots)
    rounds = max((own + others) / lanes, own / max(1, min(max_running, lanes)))
    # Even with nothing before it, a slot may be busy for as long as one job takes.
    return Range(low=math.floor(rounds * pace.quick), high=math.ceil((rounds + 1) * pace.slow))
