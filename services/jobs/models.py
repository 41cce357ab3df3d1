"""The tables. What moves a job lives in SQL functions (`migrations/sql`), since a move is one statement or none."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB, REAL
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.jobs.published_views import PUBLISHED_VIEWS
from shared.database import new_metadata
from shared.events.tables import attach_plumbing

LIVE = ("PENDING", "PROCESSING")


class Base(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        str: Text(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        int: BigInteger(),
    }


class Entitlement(Base):
    """What billing last said about a user, or the free plan by our own defaults (version 0)."""

    __tablename__ = "entitlements"
    __table_args__ = (CheckConstraint("weight > 0", name="weight"),)

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(
        comment="0 until billing has spoken: the free plan by our own defaults",
    )
    plan_id: Mapped[str]
    status: Mapped[str]
    limits: Mapped[dict[str, Any]]
    grants: Mapped[list[Any]]
    features: Mapped[dict[str, Any]]
    max_running: Mapped[int] = mapped_column(Integer)
    weight: Mapped[float] = mapped_column(REAL)
    period_anchor: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class Job(Base):
    """What a user asked for and what became of it."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("family IN ('ai', 'studio')", name="family"),
        CheckConstraint("status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED')", name="status"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
        Index("jobs_user_id_created_at_idx", "user_id", "created_at", "id"),
        Index("jobs_user_id_family_created_at_idx", "user_id", "family", "created_at", "id"),
        Index("jobs_user_id_live_idx", "user_id", postgresql_where=text("status IN ('PENDING', 'PROCESSING')")),
        Index("jobs_status_created_at_idx", "status", "created_at", "id"),
        Index("jobs_batch_id_idx", "batch_id", "created_at", "id", postgresql_where=text("batch_id IS NOT NULL")),
        Index("jobs_tool_created_at_idx", "tool", "created_at", "id"),
        Index(
            "jobs_expires_at_idx",
            "expires_at",
            postgresql_where=text("result_url IS NOT NULL AND result_expired_at IS NULL"),
        ),
        Index(
            "jobs_start_deadline_idx",
            "start_deadline",
            postgresql_where=text("status = 'PENDING' AND start_deadline IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    family: Mapped[str]
    tool: Mapped[str]
    lane: Mapped[str]
    prompt: Mapped[str | None]
    options: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    input_files: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    status: Mapped[str] = mapped_column(server_default=text("'PENDING'"))
    reason: Mapped[str | None]
    stage: Mapped[str | None]
    progress: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    result_url: Mapped[str | None]
    result_files: Mapped[list[Any] | None]
    result_data: Mapped[dict[str, Any] | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    max_attempts: Mapped[int] = mapped_column(Integer, server_default=text("3"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    provider: Mapped[str]
    engine_version: Mapped[str]
    seed: Mapped[int]
    units_held: Mapped[dict[str, Any]]
    units_used: Mapped[dict[str, Any] | None]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'"))
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    retention_days: Mapped[int] = mapped_column(Integer)
    batch_id: Mapped[UUID | None]
    retry_of: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    run_at: Mapped[datetime | None]
    start_deadline: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    expiry_warned_at: Mapped[datetime | None]
    result_expired_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    engine: Mapped[str | None]

    @property
    def is_over(self) -> bool:
        return self.status not in LIVE


class Batch(Base):
    """Jobs that were accepted together; a trigger counts `pending` down as they end."""

    __tablename__ = "job_batches"
    __table_args__ = (
        CheckConstraint("pending BETWEEN 0 AND total", name="pending"),
        Index("job_batches_user_id_created_at_idx", "user_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    total: Mapped[int] = mapped_column(Integer)
    pending: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(server_default=text("1"))
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'"))
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


class QueueEntry(Base):
    """The hot, narrow half of a job that has not ended: who holds it, until when, and how often it went wrong."""

    __tablename__ = "job_queue"
    __table_args__ = (
        CheckConstraint(
            "(state = 1) = (lease_token IS NOT NULL AND lease_until IS NOT NULL)",
            name="lease_is_whole",
        ),
        Index(
            "job_queue_ready_idx",
            "user_id",
            "lane",
            desc("priority"),
            "run_at",
            "seq",
            postgresql_where=text("state = 0"),
        ),
        Index("job_queue_lease_until_idx", "lease_until", postgresql_where=text("state = 1")),
        Index("job_queue_worker_id_idx", "worker_id", postgresql_where=text("state = 1")),
        Index("job_queue_run_at_idx", "run_at", postgresql_where=text("state = 2")),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID]
    lane: Mapped[str]
    tool: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    run_at: Mapped[datetime]
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    state: Mapped[int] = mapped_column(SmallInteger, comment="0 ready, 1 leased, 2 waiting for run_at")
    attempt: Mapped[int] = mapped_column(
        Integer,
        server_default=text("0"),
        comment="claims so far; failures, crashes of the child and losses of the runner are capped apart",
    )
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    max_attempts: Mapped[int] = mapped_column(Integer, server_default=text("3"))
    crashes: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    max_crashes: Mapped[int] = mapped_column(Integer, server_default=text("2"))
    losses: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    max_losses: Mapped[int] = mapped_column(Integer, server_default=text("10"))
    est_cost: Mapped[float] = mapped_column(REAL)
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    worker_id: Mapped[str | None]


class TenantLane(Base):
    """One user's place in one lane: the share, the limit, and the virtual time that decides who is next."""

    __tablename__ = "tenant_lanes"
    __table_args__ = (
        CheckConstraint("running >= 0 AND ready >= 0", name="never_negative"),
        Index(
            "tenant_lanes_runnable_idx",
            "lane",
            "vtime",
            postgresql_where=text("ready > 0 AND running < max_running"),
        ),
        Index("tenant_lanes_active_idx", "lane", "vtime", postgresql_where=text("ready > 0 OR running > 0")),
        Index("tenant_lanes_lane_vtime_idx", "lane", "vtime"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    weight: Mapped[float] = mapped_column(REAL)
    max_running: Mapped[int] = mapped_column(Integer)
    running: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    ready: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    vtime: Mapped[float] = mapped_column(
        DOUBLE_PRECISION,
        server_default=text("0"),
        comment="virtual seconds served, divided by weight: the smallest is next",
    )


class Lane(Base):
    __tablename__ = "lanes"

    lane: Mapped[str] = mapped_column(primary_key=True)
    paused_at: Mapped[datetime | None]
    paused_by: Mapped[UUID | None]


class JobAttempt(Base):
    """One claim of a job and how it ended; `detail` is for staff only."""

    __tablename__ = "job_attempts"
    __table_args__ = (
        Index("job_attempts_tool_ended_at_idx", "tool", "ended_at", postgresql_where=text("outcome = 'COMPLETED'")),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    tool: Mapped[str]
    worker_id: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    error_code: Mapped[str | None]
    detail: Mapped[str | None]
    run_seconds: Mapped[float | None] = mapped_column(REAL)
    cpu_seconds: Mapped[float | None] = mapped_column(REAL)
    max_rss_mb: Mapped[int | None] = mapped_column(Integer)


class Worker(Base):
    """A runner process. Pid and start time tell whether it still lives on its machine since its last boot."""

    __tablename__ = "workers"
    __table_args__ = (Index("workers_seen_at_idx", "seen_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    boot_id: Mapped[str]
    pid: Mapped[int] = mapped_column(Integer)
    start_ticks: Mapped[int]
    slots: Mapped[dict[str, Any]]
    tools: Mapped[list[Any]]
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    draining_at: Mapped[datetime | None]


class File(Base):
    """A stored file: something a user uploaded or a job made. `key` is ours, `filename` the user's."""

    __tablename__ = "files"
    __table_args__ = (
        CheckConstraint("purpose IN ('upload', 'result')", name="purpose"),
        CheckConstraint("status IN ('PENDING', 'READY', 'GONE')", name="status"),
        Index("files_user_id_created_at_idx", "user_id", "created_at"),
        Index("files_job_id_idx", "job_id"),
        Index("files_pending_idx", "created_at", postgresql_where=text("status = 'PENDING'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    key: Mapped[str] = mapped_column(unique=True)
    purpose: Mapped[str]
    status: Mapped[str]
    job_id: Mapped[UUID | None]
    filename: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str | None]
    media: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class RunnerOutput(Base):
    """A file that a runner elsewhere may send for a job it holds; it becomes a `File` when the job is settled."""

    __tablename__ = "runner_outputs"
    __table_args__ = (
        Index("runner_outputs_job_id_idx", "job_id"),
        Index("runner_outputs_created_at_idx", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    token: Mapped[UUID]
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int]
    created_at: Mapped[datetime]


class WebhookEndpoint(Base):
    """A URL to tell of endings. With `job_id` or `batch_id` it is for that one alone."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index("webhook_endpoints_user_id_idx", "user_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    job_id: Mapped[UUID | None]
    batch_id: Mapped[UUID | None]
    url: Mapped[str]
    events: Mapped[list[Any]]
    secret_id: Mapped[UUID]
    previous_secret_id: Mapped[UUID | None]
    previous_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]


class WebhookDelivery(Base):
    """One message to one endpoint and the log of its tries; written by triggers with the ending that it tells of."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("status IN ('PENDING', 'DELIVERED', 'FAILED')", name="status"),
        Index("webhook_deliveries_next_try_at_idx", "next_try_at", postgresql_where=text("status = 'PENDING'")),
        Index("webhook_deliveries_endpoint_id_created_at_idx", "endpoint_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID]
    event: Mapped[str]
    job_id: Mapped[UUID | None]
    batch_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(server_default=text("'PENDING'"))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_try_at: Mapped[datetime]
    tries: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


class JobCheckpoint(Base):
    """What a provider has been asked to do for a job; without `remote_id`, its answer never arrived."""

    __tablename__ = "job_checkpoints"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    provider: Mapped[str]
    remote_id: Mapped[str | None]
    saved_at: Mapped[datetime]


class StreamEnd(Base):
    """An order to end open streams: of one session, or of every session of the user."""

    __tablename__ = "stream_ends"
    __table_args__ = (Index("stream_ends_user_id_idx", "user_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    user_id: Mapped[UUID]
    session_id: Mapped[UUID | None] = mapped_column(comment="NULL ends every stream of the user")
    ended_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


attach_plumbing(Base.metadata)
Base.metadata.info["views"] = PUBLISHED_VIEWS
