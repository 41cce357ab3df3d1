"""Time in: lost leases, due and overdue jobs, results whose time is over, files that belong to nobody."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, text, update

from services.jobs import usecases
from services.jobs.models import File, Job, RunnerOutput
from services.jobs.parts import JobsParts
from shared.contracts.common import MailRequested
from shared.contracts.jobs import JobResultExpired, JobResultExpiring
from shared.database import WriteSession
from shared.events.outbox import publish
from shared.runtime import Runtime

BATCH = 100
ORPHAN_AGE = timedelta(hours=24)
MAIL_PAUSE = timedelta(hours=24)

_PRUNE = (
    "DELETE FROM stream_ends WHERE ended_at < now() - interval '1 day'",
    "DELETE FROM workers WHERE seen_at < now() - interval '1 day'",
    "DELETE FROM webhook_deliveries WHERE created_at < now() - interval '30 days'",
    """DELETE FROM webhook_endpoints WHERE (job_id IS NOT NULL OR batch_id IS NOT NULL)
          AND created_at < now() - interval '90 days'""",
)


async def move_queue(runtime: Runtime) -> None:
    """What runners do as well: without any runner, deadlines still pass and lost leases still end."""
    parts: JobsParts = runtime.parts
    now = runtime.clock.now()
    moved = await parts.queue.reap(now) + await parts.queue.promote(now) + await parts.queue.miss_deadlines(now)
    if moved:
        parts.wakeups.ring("work", "change")


async def warn_of_expiry(runtime: Runtime) -> int:
    """Tell of results that will soon be removed, unless they are kept for no longer than the warning time."""
    now, days = runtime.clock.now(), runtime.parts.settings.expiry_warning_days
    due = (Job.expires_at <= now + timedelta(days=days), Job.expires_at > now, Job.retention_days > days)
    async with runtime.database.write() as session:
        query = select(Job).where(*due, Job.expiry_warned_at.is_(None), Job.result_url.is_not(None))
        jobs = (await session.scalars(query.limit(BATCH).with_for_update(skip_locked=True))).all()
        await _mail_owners(session, jobs, now)
        for job in jobs:
            job.expiry_warned_at, job.updated_at, job.version = now, now, job.version + 1
            assert job.expires_at is not None
            event = JobResultExpiring(job_id=job.id, user_id=job.user_id, expires_at=job.expires_at)
            await publish(session, event, sequence=job.version)
    return len(jobs)


async def _mail_owners(session: WriteSession, jobs: Sequence[Job], now: datetime) -> None:
    """One mail to each owner, and none to who had one within a day: a hundred results are no hundred mails."""
    owners = {job.user_id for job in jobs}
    warned = select(Job.user_id).where(Job.user_id.in_(owners), Job.expiry_warned_at > now - MAIL_PAUSE).distinct()
    for owner in sorted(owners - set(await session.scalars(warned))):
        dates = [job.expires_at for job in jobs if job.user_id == owner and job.expires_at]
        params = {"results": len(dates), "first_on": min(dates).date().isoformat()}
        key = f"results-expiring-{owner}-{int(now.timestamp())}"
        mail = MailRequested(
            template="results_expiring", user_id=owner, params=params, dedupe_key=key, expires_at=max(dates)
        )
        await publish(session, mail, sequence=1)


async def expire_results(runtime: Runtime) -> int:
    """Remove results whose time is over. The rows go first: a link must not outlive its file."""
    async with runtime.database.write() as session:
        keys = await _expire_batch(session, runtime)
    for key in keys:
        await runtime.storage.delete(key)
    return len(keys)


async def _expire_batch(session: WriteSession, runtime: Runtime) -> list[str]:
    now = runtime.clock.now()
    query = select(Job).where(Job.expires_at <= now, Job.result_url.is_not(None), Job.result_expired_at.is_(None))
    keys: list[str] = []
    for job in (await session.scalars(query.limit(BATCH).with_for_update(skip_locked=True))).all():
        job.result_expired_at, job.updated_at, job.version = now, now, job.version + 1
        keys += await usecases.forget_files(session, job.id)
        assert job.expires_at is not None
        event = JobResultExpired(job_id=job.id, user_id=job.user_id, expires_at=job.expires_at)
        await publish(session, event, sequence=job.version)
    return keys


async def sweep_files(runtime: Runtime) -> int:
    """Remove files that no row names: what a lost attempt left, and uploads that were never completed."""
    now = runtime.clock.now()
    async with runtime.database.write() as session:
        stale = update(File).where(File.status == "PENDING", File.created_at < now - ORPHAN_AGE).values(status="GONE")
        keys = list(await session.scalars(stale.returning(File.key)))
        unsent = delete(RunnerOutput).where(RunnerOutput.created_at < now - ORPHAN_AGE)
        keys += await session.scalars(unsent.returning(RunnerOutput.key))
    keys += await _orphaned_results(runtime)
    for key in keys:
        await runtime.storage.delete(key)
    return len(keys)


async def _orphaned_results(runtime: Runtime) -> list[str]:
    """Results below a job that is over and does not name them. A running job's may yet be named."""
    keys = await runtime.storage.list("results/")
    jobs = {key: UUID(key.split("/")[1]) for key in keys}
    query = text("""
        SELECT k.key FROM unnest(CAST(:keys AS text[]), CAST(:jobs AS uuid[])) AS k (key, job_id)
          LEFT JOIN jobs j ON j.id = k.job_id
         WHERE NOT EXISTS (SELECT 1 FROM files f WHERE f.key = k.key AND f.status = 'READY')
           AND (j.id IS NULL OR j.completed_at < :before)
    """)
    async with runtime.database.read() as session:
        before = runtime.clock.now() - ORPHAN_AGE
        values = {"keys": list(jobs), "jobs": [str(job_id) for job_id in jobs.values()], "before": before}
        return list(await session.scalars(query, values))


async def prune(runtime: Runtime) -> None:
    async with runtime.database.pool.connection() as connection:
        for statement in _PRUNE:
            await connection.execute(statement.encode())
