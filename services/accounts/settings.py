"""Accounts' settings."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from shared.rate_limits import Rule
from shared.settings import LOCAL_DEFAULT, NEEDED_IN_PRODUCTION, SECRET, Settings

LimitName = Literal[
    "signup_network",
    "login_account",
    "login_account_network",
    "login_network",
    "login_device",
    "mail_account",
    "mail_network",
    "token_network",
    "code_account",
]

MINUTES, HOURS = 60, 3600

# Per account, per account and network, per network (a /24 or a /64): the stricter the key, the smaller the number.
PRODUCTION_LIMITS: dict[LimitName, Rule] = {
    "signup_network": Rule(10, HOURS),
    "login_account": Rule(10, 15 * MINUTES),
    "login_account_network": Rule(5, 15 * MINUTES),
    "login_network": Rule(100, 15 * MINUTES),
    "login_device": Rule(10, 15 * MINUTES),
    "mail_account": Rule(3, HOURS),
    "mail_network": Rule(20, HOURS),
    "token_network": Rule(60, 15 * MINUTES),
    "code_account": Rule(10, 15 * MINUTES),
}
# One machine plays all the users of a local installation, so its limits only stop runaway loops.
LOCAL_LIMIT = 1000


class AccountsSettings(Settings):
    """`limits` overrides how many hits a rule allows in its window, by name: `{"login_account": 20}`.

    `keys_folder` holds the signing keys of identity tokens; replicas share it. `hash_threads` bounds how many
    passwords are hashed at once (0: one per core), each for 19 MiB and about 18 ms of a core.
    """

    model_config = SettingsConfigDict(env_prefix="ACCOUNTS_", extra="ignore", populate_by_name=True)

    keys_folder: Annotated[str, NEEDED_IN_PRODUCTION] = ""
    key_rotation_days: int = Field(30, ge=1)
    fingerprint_secret: Annotated[str, SECRET] = LOCAL_DEFAULT
    # Several, parted by commas, while one is replaced: the first encrypts, each of them decrypts.
    factor_secret: Annotated[str, SECRET] = LOCAL_DEFAULT

    argon2_memory_kib: int = Field(19456, ge=8)
    argon2_time_cost: int = Field(2, ge=1)
    hash_threads: int = Field(0, ge=0)
    hash_wait_seconds: float = 1

    session_idle_days: int = 14
    session_absolute_days: int = 90
    verify_minutes: int = 60
    reset_minutes: int = 30
    login_minutes: int = Field(5, ge=1)
    unverified_hours: int = 48
    key_overlap_hours: int = 24
    deletion_grace_days: int = Field(7, ge=0)
    deletion_deadline_hours: int = Field(72, ge=1)
    # Answers that must not tell whether an address is known take at least this long.
    quiet_answer_seconds: float = 0.1

    @property
    def deletion_grace(self) -> timedelta:
        return timedelta(days=self.deletion_grace_days)

    @property
    def deletion_deadline(self) -> timedelta:
        return timedelta(hours=self.deletion_deadline_hours)

    limits: dict[LimitName, int] = {}
    principal_burst: int = Field(0, ge=0)
    principal_per_second: float = 50
    bad_credentials_per_minute: int = Field(0, ge=0)
    trusted_origins: str = Field("", validation_alias=AliasChoices("CORS_ORIGINS"))

    @property
    def factor_secrets(self) -> list[str]:
        return [secret.strip() for secret in self.factor_secret.split(",") if secret.strip()]

    @property
    def keys_path(self) -> Path:
        return Path(self.keys_folder or ".atelier/keys")

    @property
    def cookie_name(self) -> str:
        """Browsers take a `__Host-` cookie over TLS only, which a local environment lacks."""
        return "__Host-sid" if self.is_secure else "sid"

    @property
    def device_cookie_name(self) -> str:
        return "__Host-device" if self.is_secure else "device"

    @property
    def is_secure(self) -> bool:
        return self.is_production or self.public_url.startswith("https://")

    @property
    def burst(self) -> int:
        """How many requests one principal may send at once."""
        return self.principal_burst or (100 if self.is_production else 500)

    @property
    def bad_credentials(self) -> int:
        """How many bad credentials a network may send in a minute."""
        return self.bad_credentials_per_minute or (300 if self.is_production else 3000)

    @property
    def origins(self) -> frozenset[str]:
        """Other sites that may act with a user's cookie, as `https://host`."""
        return frozenset(origin.strip().rstrip("/") for origin in self.trusted_origins.split(",") if origin.strip())

    def rule(self, name: LimitName) -> Rule:
        default = PRODUCTION_LIMITS[name]
        limit = self.limits.get(name, default.limit if self.is_production else LOCAL_LIMIT)
        return Rule(limit, default.seconds)
