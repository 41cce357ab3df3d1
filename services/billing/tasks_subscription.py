"""Time in, for subscriptions: changes that were begun and never ended, and limits whose month is over."""

from datetime import datetime, timedelta

from services.billing import repository, repository_changes
from services.billing.errors import PaymentDeclined, PaymentProviderUnavailable, PlanChangeRefused, StripeRefused
from services.billing.models import Subscription
from services.billing.parts import BillingParts
from services.billing.tasks import STUCK_AFTER, end_grace, end_lost_subscriptions
from services.billing.usecases.entitlements import publish_entitlement
from services.billing.usecases.plan_changes import OFFER_LASTS, Changing, carry_out_change
from services.billing.usecases.synchronise import Books, sync_subscription
from services.billing.usecases.trial_ends import WARNED_BEFORE, warn_of_trial_end
from services.billing.usecases.webhooks import Sync, forget_webhooks
from shared.logging import get_logger
from shared.runtime import Runtime
from shared.timers import Every

# No month is longer, so a change that long ago has no say any more; a day more for a timer that was down.
LONGEST_MONTH = timedelta(days=32)

log = get_logger(__name__)


async def finish_changes(runtime: Runtime) -> None:
    """Changes begun by a process that died, or that Stripe never answered: ask again, under the same key."""
    parts: BillingParts = runtime.parts
    changing = Changing(runtime.database, parts.gateway, parts.settings.livemode, parts.grace)
    async with runtime.database.read() as session:
        stuck = await repository_changes.list_stuck_changes(session, runtime.clock.now() - STUCK_AFTER)
    for change in stuck:
        try:
            await carry_out_change(changing, change)
        except (PaymentDeclined, PlanChangeRefused, PaymentProviderUnavailable) as error:
            log.warning("plan_change_not_finished", change=str(change.id), error=str(error))


async def forget_offers(runtime: Runtime) -> None:
    """Previews leave rows; those that hold no more are deleted."""
    async with runtime.database.write() as session:
        await repository_changes.forget_offers(session, runtime.clock.now() - OFFER_LASTS)


async def renew_limits(runtime: Runtime) -> None:
    """In the month after a change to a larger plan, the whole of its limits counts."""
    parts: BillingParts = runtime.parts
    now = runtime.clock.now()
    async with runtime.database.read() as session:
        users = await repository_changes.list_users_upgraded_since(session, now - LONGEST_MONTH)
    for user_id in users:
        async with runtime.database.write() as session:
            await publish_entitlement(session, user_id, now=now, grace=parts.grace)


async def end_paid_time(runtime: Runtime) -> None:
    """Paused plans go off when what was paid is used up, also if nobody at Stripe says so."""
    parts: BillingParts = runtime.parts
    now = runtime.clock.now()
    async with runtime.database.read() as session:
        used_up = await repository_changes.list_used_up_pauses(session, now)
    for row in used_up:
        await _follow(parts, row, sync_subscription, now)


async def announce_trial_ends(runtime: Runtime) -> None:
    """Trials of whose end Stripe's webhook did not come."""
    parts: BillingParts = runtime.parts
    now = runtime.clock.now()
    async with runtime.database.read() as session:
        ending = await repository_changes.list_unannounced_trial_ends(session, now, before=now + WARNED_BEFORE)
    for row in ending:
        await _follow(parts, row, warn_of_trial_end, now)


async def _follow(parts: BillingParts, row: Subscription, sync: Sync, now: datetime) -> None:
    try:
        async with parts.worker_database.write() as session:
            await repository.lock_name(session, row.stripe_customer_id)
            await sync(Books(session, parts.gateway, now, parts.grace), row.stripe_subscription_id)
    except (PaymentProviderUnavailable, StripeRefused) as error:
        log.warning("subscription_not_followed", subscription=str(row.id), error=str(error))


TIMERS = (
    Every(30, finish_changes),
    Every(3600, forget_offers),
    Every(3600, forget_webhooks),
    *(
        Every(60, task)
        for task in (end_grace, end_lost_subscriptions, end_paid_time, renew_limits, announce_trial_ends)
    ),
)
