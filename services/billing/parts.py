"""What billing keeps open for its life: the way to Stripe, and the worker that goes through stored webhooks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from services.billing.settings import BillingSettings
from services.billing.stripe_gateway import StripeGateway, open_gateway
from services.billing.usecases.checkout import Terms
from services.billing.usecases.reconcile import COMPARED_AT_ONCE
from services.billing.usecases.subscribed import check_subscription
from services.billing.usecases.webhooks import AT_ONCE, work_off
from shared.database import Database
from shared.logging import get_logger
from shared.runtime import Runtime

POLL_SECONDS = 1.0
STARTING_SECONDS = 10.0
UNCHECKED_SECONDS = 60.0
# The worker and the reconciler wait for Stripe while they hold a transaction, so they have connections of their own.
WORKER_POOL = AT_ONCE + COMPARED_AT_ONCE

log = get_logger(__name__)


@dataclass
class BillingParts:
    """`arrived` is set when a webhook was stored, so that it is worked off at once."""

    settings: BillingSettings
    gateway: StripeGateway
    worker_database: Database
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def grace(self) -> timedelta:
        return timedelta(days=self.settings.grace_days)

    @property
    def terms(self) -> Terms:
        return Terms(
            self.settings.public_url,
            self.settings.livemode,
            self.settings.referral_discount_percent,
            self.settings.trial_days,
            self.settings.trial_requires_card,
        )

    async def work_off_webhooks(self) -> int:
        """Process every due webhook, unless Stripe is left alone just now; returns how many were taken."""
        taken = 0
        while not self.gateway.breaker.is_open and (
            batch := await work_off(self.worker_database, self.gateway, grace=self.grace)
        ):
            taken += batch
        return taken


@asynccontextmanager
async def open_parts(runtime: Runtime) -> AsyncIterator[BillingParts]:
    settings = runtime.settings
    assert isinstance(settings, BillingSettings)
    database = Database(settings.database_url, service="billing", clock=runtime.clock, size=WORKER_POOL)
    database.after_commit(runtime.database.committed_events)
    async with open_gateway(settings, runtime.clock) as gateway:
        await database.open()
        parts = BillingParts(settings, gateway, database)
        tasks = (work_for_ever(parts), _check_subscription(parts)) if "worker" in runtime.roles else ()
        working = [asyncio.create_task(task) for task in tasks]
        try:
            yield parts
        finally:
            for task in working:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await database.close()


async def _check_subscription(parts: BillingParts) -> None:
    """Once after the start, as soon as Stripe can be asked; nothing waits for it. The local twin starts beside us."""
    await asyncio.sleep(STARTING_SECONDS)
    while True:
        if await check_subscription(parts.gateway) is not None:
            return
        await asyncio.sleep(UNCHECKED_SECONDS)


async def work_for_ever(parts: BillingParts) -> None:
    """Work webhooks off as they arrive, and look every second for those that were to be tried again."""
    while True:
        parts.arrived.clear()
        try:
            await parts.work_off_webhooks()
        except Exception:
            log.exception("webhook_worker_failed")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(parts.arrived.wait(), POLL_SECONDS)
