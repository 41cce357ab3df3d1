"""The way to Stripe, which is closed for a while when Stripe does not answer."""

from collections.abc import Mapping
from typing import Any

import stripe
from prometheus_client import Counter

from shared.breaker import Breaker

SPARED = Counter("billing_stripe_calls_spared", "Calls that were not made, since Stripe had failed again and again.")
BROKEN = 500


class Resting(stripe.APIConnectionError):
    """Nothing was asked, and nothing will be for a while."""


class GuardedTransport(stripe.HTTPXClient):
    """Calls fail at once while Stripe is down, rather than each after all of its retries.

    Too many requests are no failure: the SDK waits for as long as Stripe asks.
    """

    def __init__(self, breaker: Breaker, *, timeout: float) -> None:
        super().__init__(timeout=timeout)
        self._breaker = breaker

    async def request_with_retries_async(
        self, method: str, url: str, headers: Mapping[str, str], *arguments: Any, **options: Any
    ) -> tuple[Any, int, Any]:
        if self._breaker.rest():
            SPARED.inc()
            raise Resting("Stripe failed again and again, and is left alone for a while.")  # type: ignore[no-untyped-call]
        try:
            answer = await super().request_with_retries_async(method, url, headers, *arguments, **options)
        except stripe.APIConnectionError:
            self._breaker.failed()
            raise
        if answer[1] >= BROKEN:
            self._breaker.failed()
        else:
            self._breaker.worked()
        return answer
