"""The way to Stripe's own pages, where customers change cards and look at invoices."""

from uuid import UUID

from services.billing.stripe_gateway import StripeGateway
from services.billing.usecases.checkout import check_return_url, ensure_stripe_customer
from shared.database import Database
from shared.ids import new_id


async def open_portal(
    database: Database, gateway: StripeGateway, user_id: UUID, return_url: str | None, *, public_url: str
) -> str:
    """The address of the user's billing portal. What they change there arrives by webhooks. Raises ForeignReturnUrl."""
    check_return_url(return_url, public_url)
    customer_id = await ensure_stripe_customer(database, gateway, user_id)
    # Every visit gets a page of its own, so each call is a new operation.
    return await gateway.create_portal_session(customer_id, return_url or public_url, key=f"portal:{new_id()}")
