"""Forgetting a user: their work is called off first, and erased with its files once nothing of it runs any more."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from services.jobs.models_usage import Erasure
from shared.contracts.common import UserErased
from shared.database import ReadSession, WriteSession
from shared.events.outbox import publish
from shared.runtime import Runtime

BATCH = 20

_LIVE = text("SELECT EXISTS (SELECT FROM jobs WHERE user_id = :user_id AND status IN ('PENDING', 'PROCESSING'))")
_KEYS = text("""
    SELECT key FROM files WHERE user_id = :user_id
    UNION SELECT o.key FROM runner_outputs o JOIN jobs j ON j.id = o.job_id WHERE j.user_id = :user_id
""")
# What hangs on a job goes with it.
_ERASE = {
    "webhook_deliveries": """
        DELETE FROM webhook_deliveries
         WHERE endpoint_id IN (SELECT id FROM webhook_endpoints WHERE user_id = :user_id)
    """,
    **{
        table: f"DELETE FROM {table} WHERE user_id = :user_id"  # noqa: S608 - our own names
        for table in (
            *("webhook_endpoints", "files", "jobs", "job_batches", "tenant_lanes"),
            *("usage_counters", "grant_draws", "stream_ends", "entitlements"),
        )
    },
}


async def is_erased(session: ReadSession, user_id: UUID) -> bool:
    return await session.get(Erasure, user_id) is not None


async def ask_for_erasure(session: WriteSession, user_id: UUID, request_id: UUID, now: datetime) -> None:
    asked = insert(Erasure).values(user_id=user_id, request_id=request_id, requested_at=now)
    await session.execute(asked.on_conflict_do_nothing())


async def erase_users(runtime: Runtime) -> int:
    """Erase those whose work has ended. Returns how many; the others are looked at again."""
    waiting = select(Erasure).where(Erasure.finished_at.is_(None)).order_by(Erasure.requested_at).limit(BATCH)
    async with runtime.database.read() as session:
        erasures = (await session.scalars(waiting)).all()
    return sum([await _erase(runtime, erasure) for erasure in erasures])


async def _erase(runtime: Runtime, erasure: Erasure) -> bool:
    """The files go first: a crash in between leaves the rows that name them, and the next try removes both."""
    who = {"user_id": erasure.user_id}
    async with runtime.database.read() as session:
        if await session.scalar(_LIVE, who):
            return False
        keys = list(await session.scalars(_KEYS, who))
    for key in keys:
        await runtime.storage.delete(key)
    async with runtime.database.write() as session:
        held = await session.get(Erasure, erasure.user_id, with_for_update=True)
        if held is None or held.finished_at is not None:
            return False
        counts = {table: await _delete(session, statement, who) for table, statement in _ERASE.items()}
        held.finished_at = runtime.clock.now()
        erased = UserErased(request_id=held.request_id, service="jobs", counts=counts)
        await publish(session, erased, sequence=1)
    return True


async def _delete(session: WriteSession, statement: str, who: dict[str, UUID]) -> int:
    gone = await session.scalars(text(f"{statement} RETURNING 1"), who)
    return len(gone.all())
