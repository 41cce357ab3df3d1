"""All that Stripe has of one customer, fetched by its lists: a comparison looks at each object several times."""

from typing import Self

from services.billing.stripe_gateway import StripeGateway
from services.billing.stripe_objects import InvoiceSnapshot, SessionSnapshot, SubscriptionSnapshot


class CustomerListing(StripeGateway):
    """A gateway that answers from what its lists told, and asks Stripe for everything else.

    Only for a transaction that had the customer's lock before: what is remembered must not be older than the lock.
    """

    sessions: dict[str, SessionSnapshot]
    invoices: dict[str, InvoiceSnapshot]
    subscriptions: dict[str, SubscriptionSnapshot]

    @classmethod
    async def of(cls, gateway: StripeGateway, customer_id: str) -> Self:
        """Oldest first in each list. Raises PaymentProviderUnavailable."""
        listing = cls.beside(gateway)
        listing.sessions = {one.id: one for one in await gateway.list_sessions(customer_id)}
        listing.invoices = {one.id: one for one in await gateway.list_invoices(customer_id)}
        listing.subscriptions = {one.id: one for one in await gateway.list_subscriptions(customer_id)}
        return listing

    async def get_session(self, session_id: str) -> SessionSnapshot:
        return self.sessions.get(session_id) or await super().get_session(session_id)

    async def get_invoice(self, invoice_id: str) -> InvoiceSnapshot:
        return self.invoices.get(invoice_id) or await super().get_invoice(invoice_id)

    async def get_subscription(self, subscription_id: str) -> SubscriptionSnapshot:
        return self.subscriptions.get(subscription_id) or await super().get_subscription(subscription_id)
