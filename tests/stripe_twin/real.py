"""The real Stripe in test mode, for whoever has a key of it in STRIPE_TEST_KEY."""

import os

import stripe

VARIABLE = "STRIPE_TEST_KEY"


class LiveKey(Exception):
    """Tests make and delete things, so they never touch an account in which money moves."""


def given_key(environment: "os._Environ[str] | dict[str, str]" = os.environ) -> str | None:
    """The key, or None where there is none. Raises LiveKey for one that could move money."""
    key = environment.get(VARIABLE, "").strip()
    if key and not key.startswith(("sk_test_", "rk_test_")):
        raise LiveKey(f"{VARIABLE} must be a test key, sk_test_… or rk_test_….")
    return key or None


def real_client(key: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key, http_client=stripe.HTTPXClient(timeout=60, allow_sync_methods=True), max_network_retries=2
    )
