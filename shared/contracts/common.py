"""The few events that several services publish, each with its explicit list of publishers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BeforeValidator, StrictBool, StrictInt, StrictStr, field_validator

from shared.contracts.metrics import OpenMetric
from shared.events.event import Event

EVERYBODY = ("accounts", "billing", "chat", "jobs", "community")
ERASERS = ("billing", "chat", "community", "jobs")
METERED = ("jobs", "chat")


def _written_down(fact: Any) -> Any:
    if isinstance(fact, datetime):
        return fact.isoformat()
    return str(fact) if isinstance(fact, UUID) else fact


# Ids and times are text on the wire and stay text when read, so that both sides see the same value.
MailFact = Annotated[StrictStr | StrictBool | StrictInt | None, BeforeValidator(_written_down)]

# Words that name what must never travel in an event; only user.email_changed holds an address.
CONFIDENTIAL = {"email", "password", "secret", "token", "otp", "link", "url", "cookie", "authorization"}


class UserErased(Event, type="user.erased", publishers=ERASERS, subject="erasure/{request_id}-{service}"):
    """A service has erased a user; `counts` by kind of thing erased."""

    request_id: UUID
    service: str
    counts: dict[str, int]


class UserExportPartReady(
    Event, type="user.export_part_ready", publishers=ERASERS, subject="export/{request_id}-{service}"
):
    """A service has uploaded its part of a user's data."""

    request_id: UUID
    service: str
    key: str
    sha256: str
    rows: int


class UsageRecorded(Event, type="usage.recorded", publishers=METERED, subject="usage/{usage_id}"):
    """A user used so much of a metric. The owner of the work stamps the period; accounts only adds up."""

    usage_id: UUID
    user_id: UUID
    metric: OpenMetric
    quantity: int
    occurred_at: AwareDatetime
    period_start: AwareDatetime
    period_end: AwareDatetime
    ref_type: str
    ref_id: UUID


class UsageThresholdReached(
    Event, type="usage.threshold_reached", publishers=METERED, subject="threshold/{user_id}-{metric}"
):
    """A user's use of a metric passed `percent` of the limit in this period."""

    user_id: UUID
    metric: OpenMetric
    percent: int
    used: int
    limit: int
    period_end: AwareDatetime


class MailRequested(Event, type="mail.requested", publishers=EVERYBODY, subject="mail/{dedupe_key}"):
    """The only way to cause a mail. `params` are ids and facts; the mailer makes one-time tokens when it sends.

    Raises ValidationError for a parameter that is named like a secret or an address, or that is not a plain value.
    """

    template: str
    user_id: UUID
    params: dict[str, MailFact] = {}
    dedupe_key: str
    expires_at: AwareDatetime | None = None

    @field_validator("params")
    @classmethod
    def _hold_no_secret(cls, params: dict[str, MailFact]) -> dict[str, MailFact]:
        for name in params:
            if forbidden := set(name.lower().split("_")) & CONFIDENTIAL:
                raise ValueError(f"{name} is no fact for a mail: {min(forbidden)}")
        return params
