"""Billing's settings."""

from typing import Annotated, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import LOCAL_DEFAULT, SECRET, MissingSetting, Settings


class BillingSettings(Settings):
    """`stripe_webhook_secret` may list several secrets, separated by commas, while one replaces another.

    An empty `stripe_api_base` means the real Stripe. `referral_discount_percent` is what referred users save on their
    first invoice. `trial_days` is how long everybody may try a plan once; without `trial_requires_card` nobody has to
    name a card before, and a trial at whose end there is none simply ends.
    """

    model_config = SettingsConfigDict(env_prefix="BILLING_", extra="ignore", populate_by_name=True)

    stripe_secret_key: Annotated[str, SECRET] = Field(
        f"sk_test_{LOCAL_DEFAULT}", validation_alias=AliasChoices("STRIPE_SECRET_KEY")
    )
    stripe_webhook_secret: Annotated[str, SECRET] = Field(
        f"whsec_{LOCAL_DEFAULT}", validation_alias=AliasChoices("STRIPE_WEBHOOK_SECRET")
    )
    stripe_api_base: str = Field("", validation_alias=AliasChoices("STRIPE_API_BASE"))
    grace_days: int = Field(7, ge=0, le=21)
    referral_discount_percent: int = Field(0, ge=0, le=100)
    trial_days: int = Field(0, ge=0, le=365)
    trial_requires_card: bool = True
    stripe_timeout_seconds: float = 10

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        return tuple(secret.strip() for secret in self.stripe_webhook_secret.split(",") if secret.strip())

    @property
    def livemode(self) -> bool:
        return self.stripe_secret_key.startswith(("sk_live_", "rk_live_"))

    @model_validator(mode="after")
    def refuse_mixed_modes(self) -> Self:
        """Live money outside production, or a webhook that anybody could sign, is never what was meant."""
        if self.livemode and not self.is_production:
            raise MissingSetting("STRIPE_SECRET_KEY is a live key, which only ATELIER_ENV=production may use.")
        if not self.webhook_secrets:
            raise MissingSetting("STRIPE_WEBHOOK_SECRET must be set: an empty secret verifies anything.")
        return self
