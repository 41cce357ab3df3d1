"""Time in: views are folded into topics, due commissions approved, old things forgotten."""

from sqlalchemy import text

from services.community.affiliates.usecases.accruals import approve_due_commissions
from services.community.forum.usecases import notifying, recounting, views
from shared.logging import get_logger
from shared.runtime import Runtime

log = get_logger(__name__)

_OLD_ENDS = text("DELETE FROM stream_ends WHERE ended_at < now() - interval '1 hour'")


async def fold_views(runtime: Runtime) -> None:
    async with runtime.database.write() as session:
        await views.fold_views(session, runtime.clock.now())


async def approve_commissions(runtime: Runtime) -> None:
    """Batch by batch, each in a transaction of its own, until nothing is due."""
    approved = True
    while approved:
        async with runtime.database.write() as session:
            approved = bool(await approve_due_commissions(session, runtime.clock.now()))


async def tidy_up(runtime: Runtime) -> None:
    """Forget old notifications and repair counters; a line in the log means that some command counts wrong."""
    async with runtime.database.write() as session:
        await notifying.forget_old(session, runtime.clock.now())
        await session.execute(_OLD_ENDS)
    async with runtime.database.write() as session:
        for drift in await recounting.repair_counters(session):
            log.error("counter_drifted", what=drift.what, key=drift.key, stored=drift.stored, counted=drift.counted)
