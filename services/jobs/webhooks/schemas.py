"""Bodies of the webhook routes."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel


class EndpointRead(BaseModel):
    id: UUID
    url: str
    events: list[str]
    created_at: datetime
    previous_secret_until: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None


class EndpointShown(EndpointRead):
    """With the `secret` to verify signatures with. It is shown this once."""

    secret: str


class DeliveryRead(BaseModel):
    """`id` is the `webhook-id` of every try. `tries` hold `at`, `status` (null without an answer), `error` and `ms`."""

    id: UUID
    event: str
    job_id: UUID | None
    batch_id: UUID | None
    status: Literal["PENDING", "DELIVERED", "FAILED"]
    attempts: int
    next_try_at: datetime | None
    tries: list[dict[str, Any]]
    created_at: datetime
    delivered_at: datetime | None
