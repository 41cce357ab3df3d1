"""What a handler may raise to say how its event ends, besides any other error, which means: try again later."""

from datetime import datetime


class Defer(Exception):
    """Not yet: handle the event again at `until` (database time). Does not count as an attempt."""

    def __init__(self, until: datetime, reason: str = "") -> None:
        super().__init__(reason or f"deferred until {until.isoformat()}")
        self.until = until


class Reject(Exception):
    """Trying again cannot help: park the event for a person to look at."""


class Skip(Exception):
    """There is nothing to do for this event, and that is worth recording."""
