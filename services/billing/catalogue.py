"""The plans we sell: prices in minor units, limits per monthly period, shares in the queue."""

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


def lookup_key(plan_id: str, interval: str) -> str:
    """The name under which Stripe knows a price. The amount is part of it: a changed price is another price."""
    return f"atelier_{plan_id}_{interval}_{PLANS[plan_id].prices[_interval(interval)]}"


def plan_of_lookup_key(key: str) -> tuple[str, Interval] | None:
    """Plan and interval of a price of ours, also one sold at an amount we no longer ask."""
    parts = key.split("_")
    if len(parts) != 4 or parts[0] != "atelier" or parts[1] not in PLANS:  # noqa: PLR2004
        return None
    return parts[1], _interval(parts[2])


def _interval(name: str) -> Interval:
    return "year" if name == "year" else "month"
