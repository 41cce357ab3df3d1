"""Trials: one for each person, whatever number of accounts they open.

A person is the keyed hash of their e-mail address without aliases, which comes with their registration. The trial is
reserved with its checkout, so that two accounts of one person cannot both be promised one, and used up once it starts.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from services.billing import repository
from services.billing import repository_changes as changes
from services.billing.models import Checkout, Customer, Subscription, Trial
from shared.database import WriteSession


async def reserve_trial(session: WriteSession, customer: Customer, checkout: Checkout, *, now: datetime) -> bool:
    """Whether the person may try, and then nobody else may be promised this trial. Whoever paid once may not."""
    person = customer.email_fingerprint
    if person is None or await repository.has_paid(session, customer.user_id):
        return False
    values = {"person": person, "user_id": customer.user_id, "checkout_id": checkout.id, "created_at": now}
    reserved = insert(Trial).values(values).on_conflict_do_nothing().returning(Trial.person)
    return await session.scalar(reserved) is not None


async def release_trial(session: WriteSession, checkout_id: UUID) -> None:
    """A checkout that came to nothing used up no trial."""
    trial = await changes.find_trial_of_checkout(session, checkout_id)
    if trial is not None and trial.started_at is None:
        await session.delete(trial)
        await session.flush()


async def note_trial_start(session: WriteSession, row: Subscription) -> None:
    """From now on the person has had their trial, whichever of their checkouts it came from."""
    customer = await repository.find_customer(session, row.user_id)
    if customer is None or customer.email_fingerprint is None or row.checkout_id is None:
        return
    had = insert(Trial).values(
        person=customer.email_fingerprint,
        user_id=row.user_id,
        checkout_id=row.checkout_id,
        started_at=row.started_at,
        created_at=row.started_at,
    )
    at = func.coalesce(Trial.started_at, had.excluded.started_at)
    await session.execute(had.on_conflict_do_update(index_elements=[Trial.person], set_={"started_at": at}))
