"""The HTTP bodies of accounts."""

from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.accounts.addresses import MAX_EMAIL_CHARACTERS, normalised
from services.accounts.password_policy import LONGEST_BYTES
from services.accounts.usecases.api_keys import SCOPES

# Handles that would let their holder speak for the platform.
RESERVED_HANDLES = frozenset(
    {"admin", "administrator", "atelier", "billing", "help", "moderator", "official", "owner"}
) | {"root", "security", "staff", "support", "system", "team"}

Role = Literal["user", "support", "moderator", "admin"]


def _address(typed: str) -> str:
    normalised(typed)
    return typed.strip()


def _one_line(words: str) -> str:
    plain = " ".join(words.split())
    if not plain or not plain.isprintable():
        raise ValueError("Use letters that can be seen.")
    return plain


@cache
def _timezones() -> frozenset[str]:
    # Listing them walks the file system.
    return frozenset(available_timezones())


def _known_timezone(name: str) -> str:
    if name not in _timezones():
        raise ValueError("This is not a time zone's name, such as Europe/Paris.")
    return name


def _free_to_take(handle: str) -> str:
    if handle in RESERVED_HANDLES:
        raise ValueError("This handle would be taken for ours.")
    return handle


def _known_scopes(scopes: list[str]) -> list[str]:
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        raise ValueError(f"There is no scope {unknown[0]}.")
    return scopes


def _no_zero(text: str) -> str:
    if "\x00" in text:
        raise ValueError("Text may not contain the character U+0000.")
    return text


Email = Annotated[
    str,
    Field(max_length=MAX_EMAIL_CHARACTERS + 2, json_schema_extra={"format": "email"}),
    AfterValidator(_address),
]
# A new password is judged by the policy; this bound only keeps bodies that no password needs away from the hash.
Password = Annotated[str, Field(min_length=1, max_length=4 * LONGEST_BYTES)]
DisplayName = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_one_line)]
Handle = Annotated[
    str,
    StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{2,29}$"),
    AfterValidator(_free_to_take),
]
ReferralCode = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64, pattern=r"^[A-Za-z0-9_-]*$")]
MailToken = Annotated[str, Field(min_length=1, max_length=200)]
# Six digits, or a recovery code as it was shown, spaced as its owner likes.
Code = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=6, max_length=80, pattern=r"^[0-9A-Za-z -]+$")
]
KeyName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_one_line)]
Scopes = Annotated[list[str], Field(min_length=1, max_length=len(SCOPES)), AfterValidator(_known_scopes)]
Reason = Annotated[str, Field(max_length=200), AfterValidator(_no_zero)]


class SignupBody(BaseModel):
    email: Email
    password: Password
    display_name: DisplayName | None = None
    referral_code: ReferralCode | None = None


class EmailBody(BaseModel):
    email: Email


class TokenBody(BaseModel):
    token: MailToken


class LoginBody(BaseModel):
    email: Email
    password: Password


class SecondFactorBody(BaseModel):
    login_token: MailToken
    code: Code


class CodeBody(BaseModel):
    code: Code


class FactorBody(BaseModel):
    kind: Literal["totp"] = "totp"
    name: KeyName = "Authenticator app"


class PasswordBody(BaseModel):
    password: Password


class PasswordChangeBody(BaseModel):
    current_password: Password
    new_password: Password


class ResetBody(BaseModel):
    token: MailToken
    password: Password


class CheckEmail(BaseModel):
    """The same answer whether or not the address is known."""

    status: Literal["check_email"] = "check_email"


class ProfileBody(BaseModel):
    display_name: DisplayName | None = None
    handle: Handle | None = None
    locale: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")] | None = None
    timezone: Annotated[str, Field(max_length=64), AfterValidator(_known_timezone)] | None = None


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class UserRead(_Read):
    id: UUID
    email: str = Field(validation_alias="email_typed")
    email_verified: bool
    handle: str
    display_name: str
    roles: list[str]
    locale: str
    timezone: str
    stripe_customer_id: str | None
    created_at: datetime


class AdminUserRead(UserRead):
    status: str
    version: int
    updated_at: datetime


class SubscriptionRead(_Read):
    """As billing last told of it."""

    subscription_id: UUID
    plan_id: str
    status: str
    period_start: datetime
    period_end: datetime
    cancel_at: datetime | None


class AdminUserDetail(AdminUserRead):
    model_config = ConfigDict(populate_by_name=True)

    plan_id: str
    subscription: SubscriptionRead | None


class DeletionBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    forum_content: Literal["keep", "blank"] = "keep"


class DeletionRead(_Read):
    request_id: UUID = Field(validation_alias="id")
    state: Literal["waiting", "erasing"]
    forum_content: Literal["keep", "blank"]
    requested_at: datetime
    execute_after: datetime


class CardRead(_Read):
    """What anybody may know about a user."""

    handle: str
    display_name: str
    created_at: datetime


class LoginRead(BaseModel):
    session_token: str
    user: UserRead
    expires_at: datetime


class SecondFactorNeeded(BaseModel):
    """The password was right; `POST /v1/auth/login/2fa` finishes the login within five minutes and five tries."""

    status: Literal["second_factor"] = "second_factor"
    login_token: str


class FactorRead(_Read):
    """It protects the account from `confirmed_at` on."""

    id: UUID
    kind: Literal["totp"]
    name: str
    created_at: datetime
    confirmed_at: datetime | None
    last_used_at: datetime | None


class FactorShown(FactorRead):
    """What the authenticator app needs, shown this once: `otpauth_uri` as a QR code or `secret` typed in."""

    secret: str
    otpauth_uri: str


class FactorProved(FactorRead):
    """`recovery_codes` are there with the first factor, and shown this once."""

    recovery_codes: list[str]


class Factors(BaseModel):
    items: list[FactorRead]
    recovery_codes_left: int
    next_cursor: None = None


class RecoveryCodes(BaseModel):
    """Each lets its owner in once without the authenticator app. Shown this once."""

    codes: list[str]


class SessionRead(_Read):
    id: UUID
    current: bool
    device_label: str
    ip: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class KeyBody(BaseModel):
    """`tools` is for runner keys: what they may work on, or empty for every tool."""

    name: KeyName
    scopes: Scopes
    expires_at: AwareDatetime | None = None
    tools: list[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{1,39}$")]] = Field([], max_length=50)


class KeyChangeBody(BaseModel):
    name: KeyName


class RotateBody(BaseModel):
    """How long the secret before this one goes on working; a day unless said otherwise, at most thirty."""

    overlap_seconds: int | None = Field(None, ge=0, le=30 * 24 * 3600)


class KeyRead(_Read):
    id: str
    name: str
    prefix: str
    last4: str
    scopes: list[str]
    tools: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    overlap_until: datetime | None
    created_at: datetime


class KeyShown(KeyRead):
    """`key` is shown this once and stored nowhere."""

    key: str


class Keys(BaseModel):
    items: list[KeyRead]
    next_cursor: None = None


class Sessions(BaseModel):
    items: list[SessionRead]
    next_cursor: None = None


class UsageRead(BaseModel):
    """Minutes with two decimals. `last_reset_at` is the period's start, when counting began anew."""

    period_start: datetime
    period_end: datetime
    ai_generations_count: int
    studio_jobs_count: int
    chat_messages_count: int
    export_minutes_used: float
    voiceover_minutes_used: float
    images_generated: int
    last_reset_at: datetime
    limits: dict[str, int]


class UsageDay(BaseModel):
    day: datetime
    quantity: int


class UsageHistory(BaseModel):
    metric: str
    items: list[UsageDay]
    next_cursor: None = None


class RolesBody(BaseModel):
    roles: list[Role] = Field(max_length=10)


class ReasonBody(BaseModel):
    reason: Reason = ""


def minutes(seconds: int) -> float:
    return float(round(Decimal(seconds) / 60, 2))


def key_shown(key: Any, shown: str) -> KeyShown:
    return KeyShown(**KeyRead.model_validate(key).model_dump(), key=shown)
