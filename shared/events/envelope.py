"""CloudEvents 1.0 in JSON: how an event is written down and read again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from shared.events import tracing
from shared.events.event import Event

SPEC_VERSION = "1.0"
SEQUENCE_DIGITS = 20
# CloudEvents' interoperability size; anything larger belongs into storage with a reference.
MAX_BYTES = 64 * 1024
LARGEST_SEQUENCE = 1 << 63
# Postgres cannot store it in JSON.
NUL = rb"\u0000"


class EventTooLarge(ValueError):
    """An event over 64 KiB: store its content elsewhere and publish a reference."""


class NotAnEnvelope(ValueError):
    """Bytes that no publisher of ours has written."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An event on its way: its place in the publisher's outbox, and its envelope."""

    id: int
    event_id: UUID
    type: str
    subject: str
    sequence: int
    envelope: dict[str, Any]
    attempts: int = 0

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.envelope)


def envelope_of(
    event: Event, *, event_id: UUID, source: str, sequence: int, occurred_at: datetime, actor: str | None = None
) -> dict[str, Any]:
    """The envelope of an event. Raises EventTooLarge."""
    kind = type(event)
    optional = {
        "correlationid": tracing.correlation_id.get(),
        "causationid": tracing.causation_id.get(),
        "actor": actor,
    }
    envelope = {
        "specversion": SPEC_VERSION,
        "id": str(event_id),
        "source": f"/services/{source}",
        "type": kind.event_type,
        "subject": event.event_subject,
        "time": occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "sequence": f"{sequence:0{SEQUENCE_DIGITS}d}",
        "dataversion": kind.event_version,
        "dataschema": f"urn:schema:{kind.event_type}:{kind.event_version}",
        "datacontenttype": "application/json",
        **{name: value for name, value in optional.items() if value is not None},
        "data": event.model_dump(mode="json"),
    }
    if len(orjson.dumps(envelope)) > MAX_BYTES:
        raise EventTooLarge(f"{kind.event_type} is over {MAX_BYTES} bytes.")
    return envelope


def read_envelope(body: bytes) -> dict[str, Any]:
    """The envelope in a message. Raises NotAnEnvelope for whatever the inbox could not store or hand to a handler."""
    if len(body) > MAX_BYTES:
        raise NotAnEnvelope("too large")
    if NUL in body:
        raise NotAnEnvelope("a NUL character")
    try:
        envelope = orjson.loads(body)
        _check(envelope)
    except (KeyError, TypeError, ValueError) as error:
        raise NotAnEnvelope(f"{type(error).__name__}: {error}") from error
    return dict(envelope)


def _check(envelope: Any) -> None:
    if envelope["specversion"] != SPEC_VERSION:
        raise ValueError("another CloudEvents version")
    if not all(isinstance(envelope[name], str) for name in ("id", "type", "subject", "time", "sequence")):
        raise ValueError("a field is not text")
    if not isinstance(envelope["data"], dict) or not isinstance(envelope.get("dataversion", 1), int):
        raise TypeError("data or dataversion of the wrong kind")
    UUID(envelope["id"])
    datetime.fromisoformat(envelope["time"])
    if not 0 <= int(envelope["sequence"]) < LARGEST_SEQUENCE:
        raise ValueError("a sequence out of range")
