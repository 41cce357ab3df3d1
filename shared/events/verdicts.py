"""What becomes of a message after an attempt: done, skipped, parked, or tried again and when."""

import random
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from shared.events.event import Subscription
from shared.events.outcomes import Defer, Reject, Skip

PENDING, DONE, PARKED, SKIPPED = 0, 1, 2, 3
# Seconds before the second, third, … attempt; after the last one the event is parked.
RETRY_SECONDS = (1, 5, 30, 120, 600, 1800, 3600, 10800)
MAX_ATTEMPTS = len(RETRY_SECONDS) + 1
KEPT_ERROR_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Verdict:
    """`until` (database time) or `delay_seconds` say when a pending message is due again."""

    status: int
    delay_seconds: float = 0
    until: datetime | None = None
    error: str | None = None
    error_class: str | None = None
    counted: bool = True

    @property
    def name(self) -> str:
        if self.status == PENDING:
            return "retried" if self.counted else "deferred"
        return {DONE: "done", PARKED: "parked", SKIPPED: "skipped"}[self.status]

    def attempts_after(self, attempts: int) -> int:
        """A deferral is not counted, but never goes back to none: later events of the subject wait for a message
        that was begun, and would overtake one that looks untouched."""
        return attempts if self.counted else max(attempts - 1, 1)

    def lets_pass(self, mode: Subscription) -> bool:
        """Whether later events of the subject may be handled."""
        if not mode.ordered or self.status in {DONE, SKIPPED}:
            return True
        return self.status == PARKED and mode.on_park == "continue"


def verdict_on(error: Exception, attempts: int) -> Verdict:
    """What a handler's error means, after so many attempts."""
    verdict = Verdict(PENDING, error=str(error)[:KEPT_ERROR_CHARACTERS], error_class=type(error).__name__)
    if isinstance(error, Skip):
        return replace(verdict, status=SKIPPED)
    if isinstance(error, Defer):
        return replace(verdict, until=error.until, counted=False)
    if isinstance(error, Reject | ValidationError) or attempts >= MAX_ATTEMPTS:
        return replace(verdict, status=PARKED)
    # The jitter keeps what failed together from coming back together.
    delay = RETRY_SECONDS[attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
    return replace(verdict, delay_seconds=delay)


def too_many_crashes(attempts: int) -> Verdict:
    """The message was claimed again and again and no attempt came to an end: it kills whoever handles it."""
    return Verdict(PARKED, error=f"{attempts - 1} attempts without an end", error_class="TooManyCrashes")
