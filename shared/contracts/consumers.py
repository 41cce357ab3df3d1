"""Which services hear which event, generated from the manifests, for processes that hold only one of them.

A publisher declares the queues of everybody who listens, so that an event published before its consumer first starts
waits for it instead of being dropped.
"""

from pathlib import Path

import orjson

CONSUMERS = Path(__file__).with_name("consumers.json")


def committed_routes() -> dict[str, tuple[str, ...]]:
    """Event type -> names of the subscribing services."""
    return {event_type: tuple(services) for event_type, services in orjson.loads(CONSUMERS.read_bytes()).items()}
