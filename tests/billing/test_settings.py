"""Settings that would lose or fake money refuse to start."""

import pytest

from services.billing.settings import BillingSettings
from shared.settings import MissingSetting

REQUIRED = {"database_url": "postgresql://x", "public_url": "http://x", "signing_secret": "s"}


def test_a_live_key_is_refused_outside_production():
    with pytest.raises(MissingSetting, match="STRIPE_SECRET_KEY"):
        BillingSettings(**REQUIRED, environment="local", stripe_secret_key="sk_live_x")


@pytest.mark.parametrize("secret", ["", " ", ","])
def test_an_empty_webhook_secret_is_refused_since_it_verifies_anything(secret):
    with pytest.raises(MissingSetting, match="STRIPE_WEBHOOK_SECRET"):
        BillingSettings(**REQUIRED, stripe_webhook_secret=secret)
