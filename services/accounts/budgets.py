"""How many requests a caller may send: GCRA in this process's memory, since it is asked on every request.

Each replica counts for itself, so a platform of N replicas allows up to N times as much. Limits that must be exact are
kept in Postgres (`shared/rate_limits.py`).
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from shared.rate_limits import Verdict


class Budgets:
    """`burst` at once, refilled at `per_second`. The longest idle keys are forgotten first, which only forgives."""

    def __init__(
        self,
        *,
        burst: int,
        per_second: float,
        remember: int = 50_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.burst, self.interval = burst, 1 / per_second
        self._remember, self._monotonic = remember, monotonic
        self._arrivals: OrderedDict[str, float] = OrderedDict()

    def hit(self, key: str) -> Verdict:
        """Count one request, unless the budget is used up."""
        now = self._monotonic()
        arrival = max(self._arrivals.get(key, 0.0), now) + self.interval
        left = math.floor((self.burst * self.interval - (arrival - now)) / self.interval + 1e-6)
        if left < 0:
            wait = arrival - now - self.burst * self.interval
            return Verdict(allowed=False, remaining=0, retry_after=max(1, math.ceil(wait)))
        self._arrivals[key] = arrival
        self._arrivals.move_to_end(key)
        if len(self._arrivals) > self._remember:
            self._arrivals.popitem(last=False)
        return Verdict(allowed=True, remaining=left, retry_after=0)

    def is_spent(self, key: str) -> bool:
        """Whether the next hit would be refused; counts nothing."""
        now = self._monotonic()
        arrival = max(self._arrivals.get(key, 0.0), now) + self.interval
        return arrival - now > self.burst * self.interval + 1e-9

    def headers(self, verdict: Verdict) -> dict[str, str]:
        """The draft's `RateLimit-*` fields; seconds."""
        used = self.burst - verdict.remaining
        return {
            "RateLimit-Policy": f"{self.burst};w={math.ceil(self.burst * self.interval)}",
            "RateLimit-Limit": str(self.burst),
            "RateLimit-Remaining": str(verdict.remaining),
            "RateLimit-Reset": str(math.ceil(used * self.interval)),
        }
