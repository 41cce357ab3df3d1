"""Time in: views are folded into topics, commissions whose holding period is over are approved."""

from services.community.affiliates.usecases.accruals import approve_due_commissions
from services.community.forum.usecases import views
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
