"""Whether Stripe tells us what we act upon, and nothing else. A wrong list loses events without any error anywhere."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from prometheus_client import Gauge

from services.billing.errors import PaymentProviderUnavailable, StripeRefused
from services.billing.stripe_gateway import StripeGateway
from services.billing.usecases.webhooks import HANDLED
from shared.logging import get_logger

WEBHOOK_PATH = "/v1/webhooks/stripe"
MISSING = Gauge("billing_webhook_events_missing", "Event types we act upon that Stripe does not send us.")
SURPLUS = Gauge("billing_webhook_events_surplus", "Event types Stripe sends us that we do not act upon.")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Difference:
    """What the endpoints lack and what they have too much; everything is `*`."""

    missing: frozenset[str]
    surplus: frozenset[str]


def compare(subscribed: frozenset[str]) -> Difference:
    handled = frozenset(HANDLED)
    missing = frozenset() if "*" in subscribed else handled - subscribed
    return Difference(missing, subscribed - handled)


async def check_subscription(gateway: StripeGateway) -> Difference | None:
    """Compare with Stripe and say so in log and metrics; None if Stripe could not be asked, which stops nobody.

    An endpoint is ours by its path: behind a tunnel or in a container it has another host than our public address.
    """
    try:
        endpoints = await gateway.list_endpoints()
    except (PaymentProviderUnavailable, StripeRefused) as error:
        log.warning("stripe_endpoint_not_checked", error=str(error))
        return None
    ours = [each for each in endpoints if each.is_enabled and urlsplit(each.url).path == WEBHOOK_PATH]
    found = compare(frozenset[str]().union(*(each.enabled_events for each in ours)))
    MISSING.set(len(found.missing))
    SURPLUS.set(len(found.surplus))
    if found.missing or found.surplus:
        note = log.error if found.missing else log.warning
        note("stripe_endpoint_differs", missing=sorted(found.missing), surplus=sorted(found.surplus))
    return found
