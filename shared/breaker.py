"""What fails again and again is left alone for a while."""

import time
from collections import deque
from collections.abc import Callable

FAILURES, WITHIN_SECONDS, REST_SECONDS = 5, 30.0, 30.0


class Breaker:
    """Opens after five failures within thirty seconds, for thirty seconds; then one request tries it again."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failed: deque[float] = deque(maxlen=FAILURES)
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether nothing should be asked now. Unlike `rest` it takes nobody's turn."""
        return self._now() < self._until

    def rest(self) -> float:
        """Seconds for which nothing should be asked; 0 lets the caller through, and holds back others meanwhile."""
        now = self._now()
        if now < self._until:
            return self._until - now
        if self._until:
            self._until = now + REST_SECONDS
        return 0.0

    def failed(self) -> None:
        now = self._now()
        self._failed.append(now)
        if self._until or (len(self._failed) == FAILURES and now - self._failed[0] <= WITHIN_SECONDS):
            self._until = now + REST_SECONDS

    def worked(self) -> None:
        self._failed.clear()
        self._until = 0.0
