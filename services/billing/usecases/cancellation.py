"""Ending a subscription and taking that back: Stripe is told first, then our books follow what Stripe says."""

from datetime import timedelta
from typing import Literal

from services.billing import repository
from services.billing.models import Subscription
from services.billing.stripe_gateway import StripeGateway
from services.billing.usecases.synchronise import Books, sync_subscription
from shared.database import Database

End = Literal["now", "with_period", "never"]


async def change_end(
    database: Database, gateway: StripeGateway, row: Subscription, end: End, *, grace: timedelta
) -> Subscription | None:
    """The subscription as it is afterwards. The key names this state's change, so a repeat is safe."""
    key = f"end:{row.id}:{row.version}:{end}"
    if end == "with_period" and row.stripe_schedule_id:
        # Stripe lets nobody plan an end beside a schedule, and what ends changes to nothing.
        await gateway.release_schedule(row.stripe_schedule_id, key=f"{key}:release")
    if end == "now":
        await gateway.cancel_subscription(row.stripe_subscription_id, key=key)
    elif end == "with_period" or not row.stripe_schedule_id:
        await gateway.schedule_cancel(row.stripe_subscription_id, at_period_end=end == "with_period", key=key)
    async with database.write() as session:
        await repository.lock_name(session, row.stripe_customer_id)
        return await sync_subscription(Books(session, gateway, database.clock.now(), grace), row.stripe_subscription_id)


async def stop_with_account(
    database: Database, gateway: StripeGateway, row: Subscription, *, stop: bool, grace: timedelta
) -> None:
    """Collect nothing more from somebody who is locked out, or go on once they are let in again.

    The mark is set before Stripe is told and cleared after, so that a crash in between leaves nobody stopped for ever.
    """
    if stop:
        await _mark(database, row, stopped=True)
    await change_end(database, gateway, row, "with_period" if stop else "never", grace=grace)
    if not stop:
        await _mark(database, row, stopped=False)


async def _mark(database: Database, row: Subscription, *, stopped: bool) -> None:
    async with database.write() as session:
        current = await repository.lock_subscription(session, row.id)
        current.stopped_with_account, current.updated_at = stopped, database.clock.now()
