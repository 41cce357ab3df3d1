"""The committed side of the contract: one JSON Schema and a list of sample messages for each type and version.

The schemas are written by `./atelier docs`; the samples are written by hand and only ever added to, because stored
messages look like them.
"""

import json
from pathlib import Path
from typing import Any

from shared.events.event import Event

SCHEMAS = Path(__file__).parent / "schemas"
SAMPLES = Path(__file__).parent / "samples"


def file_name(event: type[Event]) -> str:
    return f"{event.event_type}.{event.event_version}.json"


def committed_schema(event: type[Event]) -> dict[str, Any] | None:
    """None for an event that was not committed yet."""
    path = SCHEMAS / file_name(event)
    return dict(json.loads(path.read_text())) if path.exists() else None


def samples_of(event: type[Event]) -> list[dict[str, Any]]:
    """Data as it was published. Raises FileNotFoundError for an event without samples."""
    return list(json.loads((SAMPLES / file_name(event)).read_text()))
