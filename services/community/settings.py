"""What can be set about the community."""

from datetime import timedelta
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class CommunitySettings(Settings):
    """Periods are in days, rates in basis points, limits per user and hour; users of a paid plan may post
    `paying_factor` times as much."""

    model_config = SettingsConfigDict(env_prefix="COMMUNITY_")

    currency: str = "usd"
    affiliate_auto_approve: bool = True
    affiliate_rate_bp: int = Field(3000, ge=0, le=10_000)
    affiliate_months: int = Field(12, ge=1)
    affiliate_hold_days: int = Field(30, ge=0)
    affiliate_window_days: int = Field(30, ge=1)
    affiliate_payout_minimum: int = Field(5000, ge=1, description="in minor units of `currency`")
    affiliate_touch: Literal["first", "last"] = "last"
    topics_per_hour: int = Field(120, ge=1)
    comments_per_hour: int = Field(1200, ge=1)
    paying_factor: int = Field(3, ge=1)
    previews_per_hour: int = Field(1200, ge=1)
    reports_per_hour: int = Field(60, ge=1)
    feedback_per_hour: int = Field(600, ge=1)
    clicks_per_hour: int = Field(1000, ge=1)

    @property
    def attribution_window(self) -> timedelta:
        return timedelta(days=self.affiliate_window_days)

    @property
    def holding_period(self) -> timedelta:
        return timedelta(days=self.affiliate_hold_days)
