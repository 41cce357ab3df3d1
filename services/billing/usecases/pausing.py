"""Pausing a subscription and going on: what is paid is used up first, and going on later begins a new paid period."""

from datetime import timedelta

from services.billing import repository
from services.billing.errors import PaymentDeclined, StripeDeclined, SubscriptionEnding, SubscriptionNotActive
from services.billing.models import Subscription
from services.billing.stripe_gateway import StripeGateway
from services.billing.usecases.synchronise import Books, sync_invoice, sync_subscription
from shared.database import Database


async def pause(database: Database, gateway: StripeGateway, row: Subscription, *, grace: timedelta) -> None:
    """Collect nothing more; the plan stays until the end of what is paid. One that is paused already stays so.

    Raises SubscriptionNotActive, SubscriptionEnding.
    """
    if row.paused_from is not None:
        return
    if row.status != "active":
        raise SubscriptionNotActive(f"The subscription is {row.status}.", subscription_status=row.status)
    if row.cancel_at is not None:
        raise SubscriptionEnding
    key = f"pause:{row.id}:{row.version}"
    await gateway.pause(row.stripe_subscription_id, since=row.period_end, key=key)
    async with database.write() as session:
        await repository.lock_name(session, row.stripe_customer_id)
        await sync_subscription(Books(session, gateway, database.clock.now(), grace), row.stripe_subscription_id)


async def unpause(database: Database, gateway: StripeGateway, row: Subscription, *, grace: timedelta) -> None:
    """Go on. Within the paid time nothing is charged; later a new period begins and is paid now.

    Raises PaymentDeclined, and then the pause goes on.
    """
    assert row.paused_from is not None
    is_used_up = row.paused_from <= database.clock.now()
    try:
        invoice_id = await gateway.unpause(
            row.stripe_subscription_id, new_cycle=is_used_up, key=f"unpause:{row.id}:{row.version}:{is_used_up}"
        )
    except StripeDeclined as refusal:
        raise PaymentDeclined(str(refusal)) from refusal
    async with database.write() as session:
        await repository.lock_name(session, row.stripe_customer_id)
        books = Books(session, gateway, database.clock.now(), grace)
        await sync_subscription(books, row.stripe_subscription_id)
        if is_used_up and invoice_id:
            await sync_invoice(books, invoice_id)
