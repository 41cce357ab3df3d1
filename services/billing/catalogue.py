"""What we sell: plans with limits per monthly period, and packs that are bought once. Prices in minor units."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Interval = Literal["month", "year"]
BillingCycle = Literal["monthly", "yearly"]

CURRENCY = "usd"
FREE = "free"
# A year costs ten months.
MONTHS_PAID_PER_YEAR = 10
CYCLE_OF: dict[str, BillingCycle] = {"month": "monthly", "year": "yearly"}
INTERVAL_OF: dict[str, Interval] = {"monthly": "month", "yearly": "year"}


@dataclass(frozen=True, slots=True)
class Plan:
    """`month` is the monthly price in cents; limits count per period, `export_seconds` and `voiceover_seconds` in s."""

    plan_id: str
    name: str
    month: int
    limits: dict[str, int]
    max_running: int
    weight: int

    @property
    def prices(self) -> dict[Interval, int]:
        return {"month": self.month, "year": self.month * MONTHS_PAID_PER_YEAR}

    @property
    def is_free(self) -> bool:
        return self.month == 0


def _plan(plan_id: str, name: str, month: int, counts: tuple[int, ...], max_running: int, weight: int) -> Plan:
    ai, studio, chat, export_minutes, voiceover_minutes, images = counts
    limits = {
        "ai_generations": ai,
        "studio_jobs": studio,
        "chat_messages": chat,
        "export_seconds": export_minutes * 60,
        "voiceover_seconds": voiceover_minutes * 60,
        "images": images,
    }
    return Plan(plan_id, name, month, limits, max_running, weight)


PLANS = MappingProxyType(
    {
        plan.plan_id: plan
        for plan in (
            _plan(FREE, "Free", 0, (10, 10, 50, 10, 5, 20), 1, 1),
            _plan("creator", "Creator Plan", 1900, (100, 100, 500, 120, 60, 300), 2, 3),
            _plan("viral", "Viral Plan", 3900, (400, 400, 2000, 600, 240, 1500), 4, 6),
            _plan("studio", "Studio Plan", 9900, (2000, 2000, 10000, 3000, 1200, 10000), 10, 10),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Pack:
    """Bought once, on top of any plan: so much of each metric, to be used within `months` after the payment."""

    pack_id: str
    name: str
    price: int
    grants: dict[str, int]
    months: int = 12


# An image is also a generation: a pack of images that did not bring both could not be used up.
PACKS = MappingProxyType(
    {
        pack.pack_id: pack
        for pack in (
            Pack("images-100", "100 extra images", 900, {"images": 100, "ai_generations": 100}),
            Pack("generations-100", "100 extra AI generations", 700, {"ai_generations": 100}),
            Pack("messages-500", "500 extra chat messages", 500, {"chat_messages": 500}),
            Pack("export-60", "60 extra minutes of export", 900, {"export_seconds": 3600, "studio_jobs": 60}),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Offer:
    """One price: of a plan at an interval, or of a pack (without interval), under the name that Stripe knows it by.

    The amount is part of `lookup_key`: a changed price is another price.
    """

    product_id: str
    name: str
    interval: Interval | None
    amount: int

    @property
    def lookup_key(self) -> str:
        return f"atelier_{self.product_id}_{self.interval or 'once'}_{self.amount}"


def offer_of(product_id: str, interval: str | None) -> Offer:
    """Raises KeyError for what we do not sell."""
    if interval is None:
        pack = PACKS[product_id]
        return Offer(pack.pack_id, pack.name, None, pack.price)
    plan = PLANS[product_id]
    return Offer(plan.plan_id, plan.name, _interval(interval), plan.prices[_interval(interval)])


def lookup_key(product_id: str, interval: str | None) -> str:
    return offer_of(product_id, interval).lookup_key


def plan_of_lookup_key(key: str) -> tuple[str, Interval] | None:
    """Plan and interval of a price of ours, also one sold at an amount we no longer ask."""
    parts = key.split("_")
    if len(parts) != 4 or parts[0] != "atelier" or parts[1] not in PLANS:  # noqa: PLR2004
        return None
    return parts[1], _interval(parts[2])


def _interval(name: str) -> Interval:
    return "year" if name == "year" else "month"
