"""What the composition root tells the twin."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import httpx

PREFIX = "/twin/stripe"


class Clock(Protocol):
    """The domain clock. The twin is the one place that moves it."""

    def now(self) -> datetime:
        """The current domain time, timezone-aware UTC."""
        ...

    def advance(self, seconds: float) -> datetime:
        """Move forward and return the new time."""
        ...


@dataclass(frozen=True)
class TwinSettings:
    """`public_url` is what a browser and the SDK see, ending in /twin/stripe; `http` carries webhook deliveries.

    `webhook_events` are the types that the configured endpoint is subscribed to.
    """

    database_url: str
    public_url: str
    webhook_url: str
    webhook_secret: str
    http: httpx.AsyncClient
    webhook_events: tuple[str, ...] = ("*",)
    environment: Literal["local", "production"] = "local"

    def __post_init__(self) -> None:
        if self.environment == "production":
            raise RuntimeError("The Stripe twin takes no real money and refuses to start in production.")
        if not self.webhook_secret:
            raise RuntimeError("TWIN_WEBHOOK_SECRET is empty: an empty secret verifies anything.")
