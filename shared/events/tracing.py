"""What ties an event to its cause: the request it came from, and the event that was being handled."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
causation_id: ContextVar[str | None] = ContextVar("causation_id", default=None)


@contextmanager
def caused_by(envelope: Mapping[str, Any]) -> Iterator[None]:
    """While the block runs, what is published names the envelope as its cause and shares its correlation."""
    correlation = correlation_id.set(envelope.get("correlationid"))
    causation = causation_id.set(envelope["id"])
    try:
        yield
    finally:
        causation_id.reset(causation)
        correlation_id.reset(correlation)
