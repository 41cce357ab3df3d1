"""Events in: users come, are brought by somebody, change their addresses, and are locked out and let in."""

from services.billing.parts import BillingParts
from services.billing.usecases import customers
from shared.contracts.accounts import (
    UserDeleted,
    UserDeletionRequested,
    UserDisabled,
    UserEmailChanged,
    UserEnabled,
    UserRegistered,
)
from shared.contracts.common import UserErased
from shared.contracts.community import ReferralAttributed, ReferralConverted, ReferralRejected
from shared.database import WriteSession
from shared.events.event import EventContext
from shared.events.outbox import publish


async def register_user(session: WriteSession, event: UserRegistered, context: EventContext) -> None:
    parts: BillingParts = context.runtime.parts
    now = context.runtime.clock.now()
    await customers.register_user(
        session, event.user_id, event.registered_at, event.email_fingerprint, now=now, grace=parts.grace
    )


async def note_email(session: WriteSession, event: UserEmailChanged, context: EventContext) -> None:
    await customers.note_email(session, event.user_id, event.email, now=context.runtime.clock.now())


async def note_referral(session: WriteSession, event: ReferralAttributed, context: EventContext) -> None:
    now = context.runtime.clock.now()
    await customers.note_referral(session, event.referred_user_id, event.referral_id, now=now)


async def end_discount(
    session: WriteSession, event: ReferralRejected | ReferralConverted, context: EventContext
) -> None:
    """Refused after all, or spent: the community counted the first payment, so no further one is the first."""
    now = context.runtime.clock.now()
    await customers.end_discount(session, event.referred_user_id, event.referral_id, now=now)


async def lock_out(session: WriteSession, event: UserDisabled, context: EventContext) -> None:
    """Nothing more is sold; the timer then tells Stripe to collect no further period."""
    now = context.runtime.clock.now()
    await customers.set_disabled(session, event.user_id, now, now=now)


async def erase_user(session: WriteSession, event: UserDeletionRequested | UserDeleted, context: EventContext) -> None:
    """The timer then tells Stripe to collect no further period. The last word about a user asks once more."""
    now = context.runtime.clock.now()
    if await customers.erase(session, event.user_id, now=now):
        erased = UserErased(request_id=event.request_id, service="billing", counts={"customers": 1})
        await publish(session, erased, sequence=1)


async def let_in(session: WriteSession, event: UserEnabled, context: EventContext) -> None:
    await customers.set_disabled(session, event.user_id, None, now=context.runtime.clock.now())
