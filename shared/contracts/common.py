"""The few events that several services publish, each with its explicit list of publishers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from shared.events.event import Event

EVERYBODY = ("accounts", "billing", "chat", "jobs", "community")
ERASERS = ("billing", "chat", "community", "jobs")
METERED = ("jobs", "chat")


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
    metric: str
    quantity: int
    occurred_at: datetime
    period_start: datetime
    period_end: datetime
    ref_type: str
    ref_id: UUID


class UsageThresholdReached(
    Event, type="usage.threshold_reached", publishers=METERED, subject="threshold/{user_id}-{metric}"
):
    """A user's use of a metric passed `percent` of the limit in this period."""

    user_id: UUID
    metric: str
    percent: int
    used: int
    limit: int
    period_end: datetime


class MailRequested(Event, type="mail.requested", publishers=EVERYBODY, subject="mail/{dedupe_key}"):
    """The only way to cause a mail. `params` are ids and facts; the mailer makes one-time tokens when it sends."""

    template: str
    user_id: UUID
    params: dict[str, Any] = {}
    dedupe_key: str
    expires_at: datetime | None = None
