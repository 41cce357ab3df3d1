"""Time in: views are folded into topics, due commissions approved, old notifications forgotten."""

from services.community.affiliates.usecases.accruals import approve_due_commissions
from services.community.forum.usecases import notifying, views
from shared.runtime import Runtime


async def fold_views(runtime: Runtime) -> None:
    async with runtime.database.write() as session:
        await views.fold_views(session, runtime.clock.now())


async def approve_commissions(runtime: Runtime) -> None:
    """Batch by batch, each in a transaction of its own, until nothing is due."""
    approved = True
    while approved:
        async with runtime.database.write() as session:
            approved = bool(await approve_due_commissions(session, runtime.clock.now()))


async def forget_notifications(runtime: Runtime) -> None:
    async with runtime.database.write() as session:
        await notifying.forget_old(session, runtime.clock.now())
