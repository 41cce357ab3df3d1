"""A billing process that dies at a chosen moment: at a commit, or at a call to Stripe, just before or just after it.

The points are found by running a story once and writing down each place that commits and each call that is made, so a
new one is among them without being listed anywhere. The seams are those of production: the runtime's database and the
HTTP client that the Stripe SDK is given.
"""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import stripe

from services.billing.stripe_gateway import StripeGateway
from services.billing.stripe_transport import GuardedTransport
from shared.breaker import Breaker
from shared.database import Database, WriteSession
from tests.support.billing import Shop

_ID = re.compile(r"\b(cus|cs|sub|in|pi|re|du|price|ch)_[A-Za-z0-9_]+")


class Died(BaseException):
    """The process is gone. Not an Exception, so that no handler of ours can survive it."""


@dataclass
class Fate:
    """Writes down every point, and dies once at the `occurrence`-th passing of `fatal`."""

    fatal: str | None = None
    occurrence: int = 1
    passed: list[str] = field(default_factory=list)
    has_struck: bool = False

    def meet(self, point: str) -> None:
        self.passed.append(point)
        if point == self.fatal and not self.has_struck and self.passed.count(point) == self.occurrence:
            self.has_struck = True
            raise Died(point)


class _MortalDatabase(Database):
    """Dies before a transaction's commit, when nothing of it stays, or right after it."""

    fate: Fate

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        place = _place()
        async with super().write() as session:
            yield session
            self.fate.meet(f"before commit {place}")
        self.fate.meet(f"after commit {place}")


class _MortalClient(GuardedTransport):
    fate: Fate

    async def request_async(self, method: str, url: str, *arguments: Any, **named: Any) -> Any:
        path = _ID.sub("*", url.split("/twin/stripe", 1)[-1].split("?", maxsplit=1)[0])
        self.fate.meet(f"before {method.upper()} {path}")
        answer = await super().request_async(method, url, *arguments, **named)
        self.fate.meet(f"after {method.upper()} {path}")
        return answer


def _place() -> str:
    """The line of billing that opened the transaction, or the request that did."""
    frame = sys._getframe(1)
    while frame is not None:
        if "/services/billing/" in frame.f_code.co_filename:
            return f"{frame.f_code.co_filename.rsplit('/', 1)[-1]} {frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return "request"


@asynccontextmanager
async def mortal(shop: Shop, fate: Fate) -> AsyncIterator[Fate]:
    """Let the shop's billing live on a database and a way to Stripe that obey the fate."""
    runtime, parts = shop.svc.runtime, shop.svc.runtime.parts
    kept = parts.gateway
    breaker = Breaker()
    client = _MortalClient(breaker, timeout=10)
    client.fate = fate
    parts.gateway = StripeGateway(
        stripe.StripeClient(
            "sk_test_twin", http_client=client, max_network_retries=2, base_addresses={"api": shop.stripe_url}
        ),
        breaker,
    )
    for database in (runtime.database, parts.worker_database):
        # The same object with the same pools: only its class knows of death.
        database.__class__ = _MortalDatabase
        database.fate = fate
    try:
        yield fate
    finally:
        for database in (runtime.database, parts.worker_database):
            database.__class__ = Database
        parts.gateway = kept
        await client.close_async()
