"""Telling people that their trial ends, once for each end, and what will happen then."""

from datetime import timedelta

from services.billing.catalogue import PLANS
from services.billing.models import Subscription
from services.billing.usecases.subscriptions import tell
from services.billing.usecases.synchronise import Books, sync_subscription
from shared.contracts.common import MailRequested
from shared.database import WriteSession
from shared.events.outbox import publish

# As early as Stripe tells it.
WARNED_BEFORE = timedelta(days=3)


async def warn_of_trial_end(books: Books, stripe_subscription_id: str) -> None:
    """Told by Stripe, which also says so when a trial is ended at once, or by our own timer; the first one counts."""
    row = await sync_subscription(books, stripe_subscription_id)
    if row is None or row.status != "trialing" or row.trial_warned_for == row.trial_end:
        return
    row.trial_warned_for = row.trial_end
    await tell(books.session, row, "trial_ending")
    if row.cancel_at is None:
        goes_on = await books.gateway.has_payment_method(stripe_subscription_id)
        await _ask_for_mail(books.session, row, "trial_ending" if goes_on else "trial_ending_without_card")


async def _ask_for_mail(session: WriteSession, row: Subscription, template: str) -> None:
    ends_on = row.trial_end.date().isoformat() if row.trial_end else None
    plan = PLANS[row.plan_id]
    params = {
        "subscription_id": str(row.id),
        "plan_name": plan.name,
        "amount": plan.prices["year" if row.interval == "year" else "month"],
        "ends_on": ends_on,
    }
    key = f"trial-ending-{row.id}-{ends_on}"
    mail = MailRequested(template=template, user_id=row.user_id, params=params, dedupe_key=key)
    await publish(session, mail, sequence=1)
