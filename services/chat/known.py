"""What other services tell of users and their jobs, kept so that the assistant and the staff can see it."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from services.chat.models import KnownBatch, KnownJob, KnownUser
from shared.contracts.accounts import UserRegistered, UserUpdated
from shared.contracts.jobs import (
    BatchCompleted,
    JobCancelled,
    JobCompleted,
    JobCreated,
    JobFailed,
    JobResultExpired,
    JobResultExpiring,
    JobRetryScheduled,
    JobStarted,
)
from shared.database import WriteSession

JobFact = JobCreated | JobStarted | JobRetryScheduled | JobCompleted | JobFailed | JobCancelled

STATUSES: dict[type[JobFact], str] = {
    JobCreated: "PENDING",
    JobStarted: "PROCESSING",
    JobRetryScheduled: "PENDING",
    JobCompleted: "COMPLETED",
    JobFailed: "FAILED",
    JobCancelled: "CANCELLED",
}
# What somebody asks about is recent.
KEPT = timedelta(days=90)


async def note_user(session: WriteSession, event: UserRegistered | UserUpdated, version: int) -> None:
    news = {"handle": event.handle, "display_name": event.display_name, "version": version}
    known = insert(KnownUser).values(user_id=event.user_id, **news)
    await session.execute(
        known.on_conflict_do_update(index_elements=["user_id"], set_=news, where=KnownUser.version <= version)
    )


async def note_job(session: WriteSession, event: JobFact, at: datetime) -> None:
    """Facts of a job come in their order."""
    news = {
        "status": STATUSES[type(event)],
        "error_code": getattr(event, "error_code", None),
        "run_at": getattr(event, "run_at", None),
        "expires_at": getattr(event, "expires_at", None),
        "updated_at": at,
    }
    known = insert(KnownJob).values(job_id=event.job_id, user_id=event.user_id, tool=event.tool, ordered_at=at, **news)
    await session.execute(known.on_conflict_do_update(index_elements=["job_id"], set_=news))


async def note_expiry(session: WriteSession, event: JobResultExpiring | JobResultExpired, at: datetime) -> None:
    is_expired = isinstance(event, JobResultExpired)
    news = {"expires_at": event.expires_at, "is_expired": is_expired, "updated_at": at}
    await session.execute(update(KnownJob).where(KnownJob.job_id == event.job_id).values(news))


async def note_batch(session: WriteSession, event: BatchCompleted, at: datetime) -> None:
    row = {"batch_id": event.batch_id, "user_id": event.user_id, "counts": dict(event.counts), "completed_at": at}
    await session.execute(insert(KnownBatch).values(row).on_conflict_do_nothing())


async def forget_old(session: WriteSession, now: datetime) -> None:
    await session.execute(delete(KnownJob).where(KnownJob.updated_at < now - KEPT))
    await session.execute(delete(KnownBatch).where(KnownBatch.completed_at < now - KEPT))


async def forget_user(session: WriteSession, user_id: UUID) -> None:
    for table in (KnownUser, KnownJob, KnownBatch):
        await session.execute(delete(table).where(table.user_id == user_id))
