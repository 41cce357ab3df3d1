"""Server-sent events, as every service streams them: nothing on the way may keep or gather them."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.responses import StreamingResponse

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
PING = b": ping\n\n"
# A connection that says nothing for longer is closed by what stands between.
PING_SECONDS = 15


class EventStream(StreamingResponse):
    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], status_code: int = 200) -> None:
        super().__init__(events, status_code=status_code, headers=HEADERS)


def event(name: str, data: Any, mark: str | None = None) -> bytes:
    """One event. `mark` is the id by which a reader says where it stopped; without one its position stays."""
    known = b"" if mark is None else b"id: %s\n" % mark.encode()
    return b"%sevent: %s\ndata: %s\n\n" % (known, name.encode(), orjson.dumps(data))
