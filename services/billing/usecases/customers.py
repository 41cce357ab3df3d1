"""Users as billing knows them."""

from datetime import datetime, timedelta
from uuid import UUID

from services.billing.models import Customer
from services.billing.usecases.entitlements import get_or_create_customer, publish_entitlement
from shared.contracts.billing import UserStripeCustomerBound
from shared.database import WriteSession
from shared.events.outbox import publish


async def register_user(
    session: WriteSession, user_id: UUID, registered_at: datetime, person: str, *, now: datetime, grace: timedelta
) -> None:
    """A new user has the free plan at once; their free periods count from their registration.

    `person` is the keyed hash of their address without aliases: who has had a trial is told by it.
    """
    customer = await get_or_create_customer(session, user_id, now=now)
    customer.registered_at, customer.email_fingerprint = registered_at, person
    await publish_entitlement(session, user_id, now=now, grace=grace)


async def note_email(session: WriteSession, user_id: UUID, email: str, *, now: datetime) -> None:
    customer = await get_or_create_customer(session, user_id, now=now)
    if customer.erased_at is None:
        customer.email, customer.updated_at = email, now


async def note_referral(session: WriteSession, user_id: UUID, referral_id: UUID, *, now: datetime) -> None:
    """Who was brought by an affiliate gets the discount for that, if there is one. The first referral stays."""
    customer = await get_or_create_customer(session, user_id, now=now)
    customer.referral_id, customer.updated_at = customer.referral_id or referral_id, now


async def end_discount(session: WriteSession, user_id: UUID, referral_id: UUID, *, now: datetime) -> None:
    """Take the discount of this referral back; another one's stays."""
    customer = await get_or_create_customer(session, user_id, now=now)
    if customer.referral_id == referral_id:
        customer.referral_id, customer.updated_at = None, now


async def erase(session: WriteSession, user_id: UUID, *, now: datetime) -> bool:
    """Sell and collect nothing more, and forget the address; returns False when that was done before.

    Payments and invoices stay under the user's number: the law wants them kept. So does the keyed hash of the address,
    which alone can tell that somebody tried a trial before.
    """
    customer = await get_or_create_customer(session, user_id, now=now)
    if customer.erased_at is not None:
        return False
    customer.email, customer.referral_id = None, None
    customer.erased_at = customer.updated_at = now
    customer.disabled_at = customer.disabled_at or now
    return True


async def set_disabled(session: WriteSession, user_id: UUID, at: datetime | None, *, now: datetime) -> None:
    customer = await get_or_create_customer(session, user_id, now=now)
    if customer.erased_at is None:
        customer.disabled_at, customer.updated_at = at, now


async def bind_stripe_customer(
    session: WriteSession, user_id: UUID, stripe_customer_id: str, *, now: datetime
) -> Customer:
    """The first binding stays, whoever comes second, for as long as the customer exists at Stripe."""
    customer = await get_or_create_customer(session, user_id, now=now)
    if customer.stripe_customer_id is None:
        customer.stripe_customer_id, customer.updated_at = stripe_customer_id, now
        customer.bindings += 1
        event = UserStripeCustomerBound(user_id=user_id, stripe_customer_id=stripe_customer_id)
        await publish(session, event, sequence=customer.bindings)
    return customer
