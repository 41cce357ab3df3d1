"""Events in: users who come and change, and money that moves."""

from services.community import profiles
from services.community.affiliates.terms import Terms, terms_of
from services.community.affiliates.usecases import accruals, attribution
from services.community.affiliates.usecases.accruals import Cause
from services.community.settings import CommunitySettings
from shared.contracts.accounts import UserRegistered, UserUpdated
from shared.contracts.billing import (
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentPaid,
    PaymentRefunded,
    PaymentRefundReverted,
)
from shared.database import WriteSession
from shared.events.event import Event, EventContext


async def note_registration(session: WriteSession, event: UserRegistered, context: EventContext) -> None:
    """The profile first: its fingerprint shows whether a referral is one's own. Who is known can't be brought."""
    if await profiles.note_registration(session, event, context.sequence):
        await attribution.attribute_user(session, event, _cause(event, context), _terms(context))


async def note_update(session: WriteSession, event: UserUpdated, context: EventContext) -> None:
    await profiles.note_update(session, event, context.sequence)


async def record_payment(session: WriteSession, event: PaymentPaid, context: EventContext) -> None:
    await accruals.record_payment(session, event, _cause(event, context), _terms(context))


async def record_refund(
    session: WriteSession, event: PaymentRefunded | PaymentRefundReverted, context: EventContext
) -> None:
    await accruals.record_refund(session, event, context.sequence, _cause(event, context), _terms(context))


async def record_dispute(
    session: WriteSession, event: PaymentDisputed | PaymentDisputeClosed, context: EventContext
) -> None:
    await accruals.record_dispute(session, event, context.sequence, _cause(event, context), _terms(context))


def _cause(event: Event, context: EventContext) -> Cause:
    return Cause(context.event_id, event.event_type, context.runtime.clock.now())


def _terms(context: EventContext) -> Terms:
    settings: CommunitySettings = context.runtime.settings  # type: ignore[assignment]
    return terms_of(settings)
