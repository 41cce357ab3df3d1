"""Every SELECT that users wait for. `get_` raises, `find_` may be None, `list_` pages."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select, text

from services.jobs.errors import BatchNotFound, FileNotFound, JobNotFound
from services.jobs.models import Batch, Entitlement, File, Job, QueueEntry, RunnerOutput
from services.jobs.models_usage import UsageCounter
from shared.database import ReadSession
from shared.pagination import after

_TOOLS_OF_RUNNERS = text("""
    SELECT DISTINCT jsonb_array_elements_text(tools) FROM workers
     WHERE seen_at > now() - interval '1 minute' AND draining_at IS NULL
""")


async def get_job(session: ReadSession, user_id: UUID, job_id: UUID) -> Job:
    """A user's own job that is not deleted. Raises JobNotFound, also for other people's."""
    query = select(Job).where(Job.id == job_id, Job.user_id == user_id, Job.deleted_at.is_(None))
    job = await session.scalar(query)
    if job is None:
        raise JobNotFound
    return job


async def list_jobs(
    session: ReadSession,
    *,
    user_id: UUID | None = None,
    family: str | None = None,
    status: str | None = None,
    tool: str | None = None,
    limit: int,
    position: Sequence[Any] | None = None,
) -> Sequence[Job]:
    """Newest first, one more than `limit`; `position` is the cursor's (created_at, id)."""
    filters = {Job.user_id: user_id, Job.family: family, Job.status: status, Job.tool: tool}
    query = select(Job).where(Job.deleted_at.is_(None))
    query = query.where(*(column == value for column, value in filters.items() if value is not None))
    query = after(query, [Job.created_at, Job.id], position, descending=True)
    return (await session.scalars(query.limit(limit + 1))).all()


async def list_live_jobs(session: ReadSession, user_id: UUID) -> Sequence[Job]:
    """What a user has waiting or running, oldest first."""
    live = Job.status.in_(("PENDING", "PROCESSING"))
    query = select(Job).where(Job.user_id == user_id, live, Job.deleted_at.is_(None))
    return (await session.scalars(query.order_by(Job.created_at, Job.id))).all()


async def list_jobs_by_id(session: ReadSession, ids: Sequence[UUID]) -> Sequence[Job]:
    return (await session.scalars(select(Job).where(Job.id.in_(ids), Job.deleted_at.is_(None)))).all()


async def list_tools_of_runners(session: ReadSession) -> Sequence[str]:
    """What the runners that are alive and not draining can do, attached ones among them."""
    return (await session.scalars(_TOOLS_OF_RUNNERS)).all()


async def get_batch(session: ReadSession, user_id: UUID, batch_id: UUID) -> Batch:
    """A user's own batch. Raises BatchNotFound, also for other people's."""
    batch = await session.get(Batch, batch_id, populate_existing=True)
    if batch is None or batch.user_id != user_id:
        raise BatchNotFound
    return batch


async def list_jobs_of_batch(session: ReadSession, batch_id: UUID) -> Sequence[Job]:
    """In the order in which they were asked for. A batch is small, so there are no pages."""
    query = select(Job).where(Job.batch_id == batch_id, Job.deleted_at.is_(None)).order_by(Job.created_at, Job.id)
    return (await session.scalars(query)).all()


async def count_batch(session: ReadSession, batch_id: UUID) -> dict[str, int]:
    """How many jobs of a batch have each status, deleted ones too."""
    query = select(Job.status, func.count()).where(Job.batch_id == batch_id).group_by(Job.status)
    return {row[0]: row[1] for row in await session.execute(query)}


async def find_entitlement(session: ReadSession, user_id: UUID) -> Entitlement | None:
    return await session.get(Entitlement, user_id)


async def lock_entitlement(session: ReadSession, user_id: UUID) -> Entitlement | None:
    return await session.get(Entitlement, user_id, with_for_update=True)


async def list_counters(session: ReadSession, user_id: UUID, period_start: datetime) -> Sequence[UsageCounter]:
    query = select(UsageCounter).where(UsageCounter.user_id == user_id, UsageCounter.period_start == period_start)
    return (await session.scalars(query)).all()


_ROOM = text("SELECT metric, usage_room_v1(:user_id, metric, :now) FROM unnest(CAST(:metrics AS text[])) AS m (metric)")


async def list_room(session: ReadSession, user_id: UUID, metrics: Sequence[str], now: datetime) -> dict[str, int]:
    """How much of each metric the user's grants still hold."""
    rows = await session.execute(_ROOM, {"user_id": user_id, "metrics": list(metrics), "now": now})
    return {metric: int(room) for metric, room in rows}


async def get_upload(session: ReadSession, user_id: UUID, file_id: UUID) -> File:
    query = select(File).where(File.id == file_id, File.user_id == user_id, File.purpose == "upload")
    file = await session.scalar(query)
    if file is None or file.status == "GONE":
        raise FileNotFound
    return file


async def find_file_by_key(session: ReadSession, key: str) -> File | None:
    return await session.scalar(select(File).where(File.key == key))


async def find_expected_output(session: ReadSession, key: str) -> RunnerOutput | None:
    """What a runner announced under a lease that it still has."""
    holds = (QueueEntry.job_id == RunnerOutput.job_id, QueueEntry.lease_token == RunnerOutput.token)
    query = select(RunnerOutput).join(QueueEntry, and_(*holds)).where(RunnerOutput.key == key)
    return await session.scalar(query)


async def list_ready_files(session: ReadSession, user_id: UUID, ids: Sequence[UUID]) -> Sequence[File]:
    query = select(File).where(File.id.in_(ids), File.user_id == user_id, File.status == "READY")
    return (await session.scalars(query)).all()


# Ahead of a job stand its owner's more urgent jobs, and of every other tenant as many as have an earlier virtual start.
_AHEAD = text("""
    SELECT me.job_id, mine.n AS own, t.max_running, COALESCE(others.n, 0) AS others
      FROM job_queue me
      JOIN tenant_lanes t ON t.user_id = me.user_id AND t.lane = me.lane
      CROSS JOIN LATERAL (
        SELECT count(*) AS n, COALESCE(sum(o.est_cost), 0) AS cost FROM job_queue o
         WHERE o.user_id = me.user_id AND o.lane = me.lane AND o.state = 0 AND o.job_id <> me.job_id
           AND (o.priority > me.priority
                OR (o.priority = me.priority AND (o.run_at, o.seq) < (me.run_at, me.seq)))) mine
      LEFT JOIN LATERAL (
        SELECT sum(LEAST(x.ready, GREATEST(0, ceil(
                 (t.vtime + mine.cost / t.weight - x.vtime) * x.weight / me.est_cost)))) AS n
          FROM tenant_lanes x
         WHERE x.lane = me.lane AND x.user_id <> me.user_id AND x.ready > 0
           AND x.vtime <= t.vtime + mine.cost / t.weight) others ON true
     WHERE me.job_id = ANY(:ids) AND me.state <> 1
""")


async def list_ahead(session: ReadSession, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """For each waiting job: how many of its owner's (`own`) and of other people's (`others`) come before it."""
    return (await session.execute(_AHEAD, {"ids": list(ids)})).all()


_READY = text("""
    SELECT COALESCE(sum(ready) FILTER (WHERE user_id = :user_id), 0) AS own,
           COALESCE(sum(ready) FILTER (WHERE user_id <> :user_id), 0) AS others
      FROM tenant_lanes WHERE lane = :lane AND ready > 0
""")


async def count_ready(session: ReadSession, user_id: UUID, lane: str) -> tuple[int, int]:
    """How many jobs stand ready in a lane: the user's own, and everybody else's."""
    row = (await session.execute(_READY, {"user_id": user_id, "lane": lane})).one()
    return int(row.own), int(row.others)


RECENTLY = timedelta(minutes=15)


async def list_recently_ended(session: ReadSession, user_id: UUID, now: datetime) -> Sequence[Job]:
    """The user's jobs that ended in the last quarter of an hour, oldest first, at most a hundred."""
    query = select(Job).where(Job.user_id == user_id, Job.completed_at > now - RECENTLY, Job.deleted_at.is_(None))
    newest = (await session.scalars(query.order_by(Job.created_at.desc(), Job.id.desc()).limit(100))).all()
    return newest[::-1]
