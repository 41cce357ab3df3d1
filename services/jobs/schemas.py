"""HTTP bodies: what comes in, checked, and what goes out."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

METADATA_BYTES = 16 * 1024
OPTIONS_BYTES = 64 * 1024
MAX_SEED = 2**53 - 1

Status = Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED"]
RETRYABLE = {
    "PROVIDER_UNAVAILABLE",
    "PROVIDER_RATE_LIMITED",
    "TIMEOUT",
    "STALLED",
    "WORKER_LOST",
    "OUT_OF_RESOURCES",
    "INTERNAL",
}


def storable(limit: int) -> AfterValidator:
    """JSON that Postgres can keep: real Unicode, no U+0000, at most `limit` bytes."""

    def check(value: Any) -> Any:
        try:
            written = orjson.dumps(value)
        except (TypeError, ValueError) as error:
            raise ValueError("has characters or values that cannot be stored") from error
        if len(written) > limit:
            raise ValueError(f"is larger than {limit} bytes")
        if b"\\u0000" in written:
            raise ValueError("may not contain the character U+0000")
        return value

    return AfterValidator(check)


WebhookEvent = Literal["job.completed", "job.failed", "job.cancelled", "batch.completed"]
EVENTS: list[WebhookEvent] = ["job.completed", "job.failed", "job.cancelled", "batch.completed"]


class WebhookRequest(BaseModel):
    """`events` are all of them unless some are named."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"url": "https://example.com/hooks", "events": ["job.completed"]}]},
    )

    url: Annotated[str, Field(min_length=1, max_length=2000), storable(8000)]
    events: list[WebhookEvent] = Field(default_factory=lambda: list(EVENTS), min_length=1, max_length=len(EVENTS))


class JobRequest(BaseModel):
    """What a job is to do. `options` are the tool's own; their schema stands in the catalogue."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"tool": "memes", "prompt": "One does not simply | deploy on Friday"}]},
    )

    tool: Annotated[str, Field(min_length=1, max_length=64), storable(256)]
    prompt: Annotated[str | None, Field(max_length=10_000), storable(64 * 1024)] = None
    options: Annotated[dict[str, Any], storable(OPTIONS_BYTES)] = Field(default_factory=dict)
    input_files: list[UUID] = Field(default_factory=list, max_length=50)
    priority: int = Field(0, ge=-10, le=10, description="Order among your own jobs only.")
    run_at: AwareDatetime | None = None
    start_deadline_seconds: int | None = Field(None, ge=1, le=30 * 86400)
    engine: str = Field(
        "auto", pattern=r"^[a-z0-9_-]{1,40}$", description="`auto`, `local`, or an engine's name from the catalogue."
    )
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    metadata: Annotated[dict[str, Any], storable(METADATA_BYTES)] = Field(default_factory=dict)
    webhook: WebhookRequest | None = None


class BatchItem(JobRequest):
    """`family` may be left out, since a tool belongs to one. A webhook is for the whole batch, not for an item."""

    webhook: None = None

    family: Literal["ai", "studio"] | None = None


class BatchRequest(BaseModel):
    """All of the items are accepted, or none."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"items": [{"tool": "memes", "prompt": "a | b"}, {"tool": "images"}]}]},
    )

    items: list[BatchItem] = Field(min_length=1, max_length=100)
    metadata: Annotated[dict[str, Any], storable(METADATA_BYTES)] = Field(default_factory=dict)
    webhook: WebhookRequest | None = None


class EstimateRequest(JobRequest):
    family: Literal["ai", "studio"] | None = None


class Range(BaseModel):
    low: int
    high: int


class EstimateRead(BaseModel):
    valid: bool
    units: dict[str, int]
    quota_left: dict[str, int]
    eta_seconds: Range | None
    errors: list[dict[str, str]] = []


class QueueRead(BaseModel):
    """`position` counts from 1; `ahead` are the jobs that will start before this one. Both are estimates."""

    position: int
    ahead: int
    eta_seconds: Range


class FileRead(BaseModel):
    name: str
    kind: str
    content_type: str
    url: str
    bytes: int
    width: int | None
    height: int | None
    duration: float | None
    sha256: str
    id: UUID


class ResultRead(BaseModel):
    """`url` and the files' are signed and good for some minutes; GET /v1/jobs/{id}/result always gives a new one."""

    url: str | None
    expires_at: datetime
    files: list[FileRead]
    data: dict[str, Any] | None


class ErrorRead(BaseModel):
    code: str
    message: str | None
    retryable: bool


class EngineRead(BaseModel):
    provider: str
    version: str


class CallbackRead(BaseModel):
    """The webhook of one job or batch. `secret` is shown when it is accepted, and never again."""

    endpoint_id: UUID
    url: str
    events: list[str]
    secret: str


class JobRead(BaseModel):
    id: UUID
    family: str
    tool: str
    status: Status
    reason: str | None
    stage: str | None
    progress: int
    queue: QueueRead | None
    prompt: str | None
    options: dict[str, Any]
    input_files: list[UUID]
    result: ResultRead | None
    error: ErrorRead | None
    attempt: int
    max_attempts: int
    engine: EngineRead
    usage: dict[str, int]
    seed: int
    priority: int
    metadata: dict[str, Any]
    batch_id: UUID | None
    retry_of: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime
    run_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    webhook: CallbackRead | None = None


class BatchRead(BaseModel):
    """`counts` by status. `items` are in the order in which they were asked for."""

    id: UUID
    status: Literal["RUNNING", "COMPLETED"]
    total: int
    counts: dict[str, int]
    metadata: dict[str, Any]
    created_at: datetime
    completed_at: datetime | None
    items: list[JobRead]
    webhook: CallbackRead | None = None


class UsageRead(BaseModel):
    """`reserved` is held by jobs that have not ended."""

    used: int
    reserved: int
    limit: int
    resets_at: datetime


class UploadRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, Field(min_length=1, max_length=255), storable(1024)]
    content_type: str = Field(pattern=r"^[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}$")
    size: int = Field(ge=1, le=2**40)
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")


class UploadRead(BaseModel):
    """Send the bytes by `method` to `urls[0]` with these `headers`, then complete the upload."""

    file_id: UUID
    method: Literal["PUT"]
    urls: list[str]
    headers: dict[str, str]
    expires_at: datetime


class MediaRead(BaseModel):
    file_id: UUID
    media: dict[str, Any]
