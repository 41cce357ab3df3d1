"""Who a user is at Stripe."""

from datetime import datetime
from uuid import UUID

from services.accounts import repository
from shared.database import WriteSession


async def bind_stripe_customer(session: WriteSession, user_id: UUID, customer_id: str, *, now: datetime) -> None:
    """Remember the customer billing made for the user. Raises UserNotFound."""
    user = await repository.lock_user(session, user_id)
    user.stripe_customer_id, user.updated_at = customer_id, now
