"""What runners elsewhere send and are told."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.jobs.schemas import OPTIONS_BYTES, storable

MOST_FILES = 100
MOST_BYTES = 2**40
DAY_SECONDS = 86400

ToolName = Annotated[str, StringConstraints(min_length=1, max_length=64), storable(256)]
Label = Annotated[str, StringConstraints(max_length=100), storable(1024)]
Amount = Annotated[int, Field(ge=0, le=10**9)]
# The metrics of `entitlements`.
Metric = Literal["ai_generations", "studio_jobs", "images", "export_seconds", "voiceover_seconds"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClaimRequest(_Body):
    """`worker_id` names the machine among those that use the same key."""

    tools: list[ToolName] = Field(min_length=1, max_length=50)
    worker_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    max: int = Field(1, ge=1, le=16)


class InputRead(BaseModel):
    """`url` is signed and good for an hour."""

    file_id: UUID
    url: str
    media: dict[str, Any]


class ClaimedRead(BaseModel):
    """Send a heartbeat well within `lease_seconds`, or the job is given to somebody else."""

    job_id: UUID
    token: UUID
    attempt: int
    lease_seconds: float
    family: str
    tool: str
    prompt: str | None
    options: dict[str, Any]
    seed: int
    inputs: list[InputRead]


class ClaimsRead(BaseModel):
    """`draining`: an operator asked this worker to finish what it has and claim nothing more."""

    jobs: list[ClaimedRead]
    draining: bool = False


class HeldRequest(_Body):
    job_id: UUID
    token: UUID


class HeartbeatRequest(HeldRequest):
    progress: int = Field(0, ge=0, le=100)
    stage: Label = "working"


class HeartbeatRead(BaseModel):
    """`cancel`: stop and settle as CANCELLED. `lost`: stop and throw the work away."""

    answer: Literal["ok", "cancel", "lost"]


class OutputRequest(HeldRequest):
    name: Annotated[str, StringConstraints(min_length=1, max_length=255), storable(1024)]
    content_type: str = Field(pattern=r"^[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}$")
    size: int = Field(ge=1, le=MOST_BYTES)


class OutputRead(BaseModel):
    """Send the bytes by `method` to `url`, then name `file_id` when you settle."""

    file_id: UUID
    method: Literal["PUT"]
    url: str


class MadeFile(_Body):
    """An output that has been sent. `duration` in seconds, for sound and film."""

    file_id: UUID
    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
    width: int | None = Field(None, ge=1, le=100_000)
    height: int | None = Field(None, ge=1, le=100_000)
    duration: float | None = Field(None, ge=0, le=DAY_SECONDS, allow_inf_nan=False)


class FailureBody(_Body):
    """`message` is shown to the user."""

    code: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,63}$")]
    message: Annotated[str, StringConstraints(min_length=1, max_length=500), storable(4096)]


class EngineBody(_Body):
    provider: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/@-]{1,128}$")]


class SettleRequest(HeldRequest):
    """`units` is what the work really used; left out, it is what the job holds. `retry_after` in seconds.

    `engine` says who did the work, and stands in the result.
    """

    outcome: Literal["COMPLETED", "FAILED", "RETRY", "CANCELLED"]
    files: list[MadeFile] = Field([], max_length=MOST_FILES)
    data: Annotated[dict[str, Any] | None, storable(OPTIONS_BYTES)] = None
    units: dict[Metric, Amount] | None = None
    error: FailureBody | None = None
    retry_after: float | None = Field(None, ge=0, le=DAY_SECONDS, allow_inf_nan=False)
    engine: EngineBody | None = None

    @model_validator(mode="after")
    def _check_outcome(self) -> "SettleRequest":
        if self.outcome in {"FAILED", "RETRY"} and self.error is None:
            raise ValueError("error is needed for FAILED and RETRY")
        if self.outcome != "COMPLETED" and self.files:
            raise ValueError("only a completed job has files")
        if len({file.file_id for file in self.files}) < len(self.files):
            raise ValueError("a file is named twice")
        return self


class SettleRead(BaseModel):
    """What became of the job, or LOST: it is no longer yours and nothing was changed."""

    outcome: Literal["COMPLETED", "FAILED", "RETRY", "CANCELLED", "LOST"]
