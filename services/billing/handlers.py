"""Events in: users come, and their addresses change."""

from services.billing.parts import BillingParts
from services.billing.usecases import customers
from shared.contracts.accounts import UserEmailChanged, UserRegistered
from shared.database import WriteSession
from shared.events.event import EventContext


async def register_user(session: WriteSession, event: UserRegistered, context: EventContext) -> None:
    parts: BillingParts = context.runtime.parts
    now = context.runtime.clock.now()
    await customers.register_user(session, event.user_id, event.registered_at, now=now, grace=parts.grace)


async def note_email(session: WriteSession, event: UserEmailChanged, context: EventContext) -> None:
    await customers.note_email(session, event.user_id, event.email, now=context.runtime.clock.now())
