"""What jobs publishes: the life of a job, from acceptance to the end of its result."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.events.event import Event

JOBS = ("jobs",)
JOB = "job/{job_id}"


class _JobFact(Event):
    job_id: UUID
    user_id: UUID
    family: str
    tool: str
    units: dict[str, int]
    attempt: int
    run_at: AwareDatetime | None = None


class JobCreated(_JobFact, type="job.created", publishers=JOBS, subject=JOB):
    """A job was accepted and its units are held."""


class JobStarted(_JobFact, type="job.started", publishers=JOBS, subject=JOB):
    """A runner took the job."""


class JobRetryScheduled(_JobFact, type="job.retry_scheduled", publishers=JOBS, subject=JOB):
    """An attempt failed in a way that may pass; the next one starts at `run_at`."""


class JobFile(BaseModel):
    """One result file; `bytes` is its size, `duration` in whole milliseconds where it has one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    kind: str
    bytes: int
    duration: int | None = None


class JobCompleted(Event, type="job.completed", publishers=JOBS, subject=JOB):
    """The job's result is there; `units` are what it really used. Times in milliseconds."""

    job_id: UUID
    user_id: UUID
    family: str
    tool: str
    attempt: int
    files: list[JobFile]
    units: dict[str, int]
    run_ms: int
    queued_ms: int
    engine: str
    expires_at: AwareDatetime | None


class JobFailed(Event, type="job.failed", publishers=JOBS, subject=JOB):
    """The job will not be tried again; its units are free again."""

    job_id: UUID
    user_id: UUID
    family: str
    tool: str
    attempt: int
    error_code: str
    units_released: dict[str, int]


class JobCancelled(Event, type="job.cancelled", publishers=JOBS, subject=JOB):
    """The job was called off by `by`: user, admin or system."""

    job_id: UUID
    user_id: UUID
    family: str
    tool: str
    attempt: int
    by: str
    units_released: dict[str, int]


class JobResultExpiring(Event, type="job.result_expiring", publishers=JOBS, subject=JOB):
    """The result will be removed soon."""

    job_id: UUID
    user_id: UUID
    expires_at: AwareDatetime


class JobResultExpired(Event, type="job.result_expired", publishers=JOBS, subject=JOB):
    """The result was removed."""

    job_id: UUID
    user_id: UUID
    expires_at: AwareDatetime


class BatchCompleted(Event, type="batch.completed", publishers=JOBS, subject="batch/{batch_id}"):
    """Every job of a batch has ended; `counts` by final status."""

    batch_id: UUID
    user_id: UUID
    counts: dict[str, int]
