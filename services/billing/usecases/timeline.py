"""What happened to a user's money, fact by fact: each is kept in the transaction that tells it to other services."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from services.billing.models_history import TimelineEntry
from shared.contracts import billing as events
from shared.database import WriteSession
from shared.events import outbox
from shared.events.event import Event
from shared.ids import new_id

# The amount that a fact is about, in minor units. Facts that are not named here are nothing a user would ask about.
AMOUNT_OF: dict[type[Event], Callable[[Any], int | None]] = {
    events.PaymentPaid: lambda fact: fact.amount_total,
    events.PaymentFailed: lambda _fact: None,
    events.PaymentRefunded: lambda fact: fact.refund_amount,
    events.PaymentRefundReverted: lambda fact: fact.refund_amount,
    events.PaymentDisputed: lambda fact: fact.amount,
    events.PaymentDisputeClosed: lambda fact: fact.amount,
    **dict.fromkeys(
        (
            events.SubscriptionActivated,
            events.SubscriptionRenewed,
            events.SubscriptionPlanChanged,
            events.SubscriptionPastDue,
            events.SubscriptionRecovered,
            events.SubscriptionPaused,
            events.SubscriptionResumed,
            events.SubscriptionCancelScheduled,
            events.SubscriptionCancelUndone,
            events.SubscriptionTrialEnding,
            events.SubscriptionEnded,
        ),
        lambda _fact: None,
    ),
}
_COLUMNS = {"user_id", "payment_id", "currency"}


async def publish(session: WriteSession, event: Event, *, sequence: int) -> None:
    """Tell other services of a fact, and keep it in the user's timeline if it is about their money."""
    await outbox.publish(session, event, sequence=sequence)
    amount_of = AMOUNT_OF.get(type(event))
    if amount_of is None:
        return
    facts = event.model_dump(mode="json")
    await keep(
        session,
        user_id=UUID(facts["user_id"]),
        kind=type(event).event_type,
        subject=event.event_subject,
        sequence=sequence,
        at=getattr(event, "paid_at", None) or session.info["clock"].now(),
        payment_id=getattr(event, "payment_id", None),
        amount=amount_of(event),
        currency=getattr(event, "currency", None),
        details={name: value for name, value in facts.items() if name not in _COLUMNS},
    )


async def keep(
    session: WriteSession,
    *,
    user_id: UUID,
    kind: str,
    subject: str,
    sequence: int,
    at: datetime,
    payment_id: UUID | None = None,
    amount: int | None = None,
    currency: str | None = None,
    details: dict[str, Any],
) -> None:
    """Keep a fact; the same one twice is kept once."""
    row = {
        "id": new_id(),
        "user_id": user_id,
        "kind": kind,
        "subject": subject,
        "sequence": sequence,
        "at": at,
        "payment_id": payment_id,
        "amount": amount,
        "currency": currency,
        "details": details,
    }
    await session.execute(insert(TimelineEntry).values(row).on_conflict_do_nothing())
