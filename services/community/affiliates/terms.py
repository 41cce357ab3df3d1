"""The programme's terms: how long a click counts, how long a customer earns, how long a commission is held."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.community.settings import CommunitySettings
from shared.periods import months_after


@dataclass(frozen=True, slots=True)
class Terms:
    months: int
    attribution_window: timedelta
    holding_period: timedelta

    def earns(self, registered_at: datetime, paid_at: datetime) -> bool:
        """Whether a payment lies in the customer's first months, counted from registration; the last second is out."""
        return paid_at < months_after(registered_at, self.months)

    def counts(self, clicked_at: datetime, registered_at: datetime) -> bool:
        """Whether a click still counts at registration; the window's last second is in."""
        return registered_at <= clicked_at + self.attribution_window


def terms_of(settings: CommunitySettings) -> Terms:
    return Terms(settings.affiliate_months, settings.attribution_window, settings.holding_period)
