"""Answers as they are written, over server-sent events.

Every reader, the one who asked included, tails the same log: no gap, no repetition, always one terminal event. A stream
holds no database session, and a slow reader costs nothing but its own connection. A disconnect is not a stop.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.chat import repository
from services.chat.errors import MessageNotFound
from services.chat.parts import ChatParts
from services.chat.schemas import Exchange, MessageRead
from services.chat.speaker import Speaker
from services.chat.usecases.handover import ACCEPTED, REQUESTED
from shared import sse

POLL_SECONDS = 1.0
# A reader who does not read holds no more of the log in memory than this.
DELTAS_AT_ONCE = 50
SSE_CONTENT = {"text/event-stream": {"schema": {"type": "string"}}}
_ENDS = {"COMPLETE": "message.completed", "STOPPED": "message.stopped", "FAILED": "message.failed"}
_HANDED_OVER = {REQUESTED: ("handoff.requested", "WAITING_HUMAN"), ACCEPTED: ("handoff.accepted", "HUMAN")}

# The status is read before the log in one snapshot: what is over can't have grown afterwards.
_TAIL = """
    SELECT m.status, coalesce((SELECT max(n) FROM chat_stream_chunks WHERE message_id = m.id), 0) AS last,
      (SELECT coalesce(jsonb_agg(jsonb_build_array(n, delta, tool) ORDER BY n), '[]') FROM (SELECT n, delta, tool
        FROM chat_stream_chunks WHERE message_id = m.id AND n > %(after)s ORDER BY n LIMIT %(most)s) AS next) AS deltas,
      EXISTS (SELECT 1 FROM stream_ends WHERE user_id = %(user)s AND ended_at > %(since)s
        AND (session_id IS NULL OR session_id = %(login)s)) AS revoked
     FROM chat_messages m WHERE m.id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class Tail:
    """What the log has next behind a reader's position; `last` is where it ends."""

    status: str
    last: int
    deltas: list[tuple[int, str, dict[str, Any] | None]]
    revoked: bool


async def look(parts: ChatParts, speaker: Speaker, message_id: UUID, after: int) -> Tail | None:
    """The answer's state and its deltas after `after`; None when the conversation was deleted."""
    caller = speaker.principal
    values = {
        "id": message_id,
        "after": after,
        "most": DELTAS_AT_ONCE,
        "user": speaker.user_id,
        "login": caller.session_id if caller else None,
        "since": caller.token_issued_at if caller else None,
    }
    async with parts.runtime.database.pool.connection() as connection:
        row = await (await connection.execute(_TAIL, values)).fetchone()
    return Tail(**{**row, "deltas": [(int(n), str(delta), tool) for n, delta, tool in row["deltas"]]}) if row else None


async def follow(
    parts: ChatParts, speaker: Speaker, message_id: UUID, after: int, *, opening: Exchange | None = None
) -> AsyncIterator[bytes]:
    """The answer from position `after` to its end."""
    spoken = time.monotonic()
    with parts.announcements.reading(message_id) as changed:
        yield b"retry: 2000\n\n"
        if opening:
            yield _event("message.created", message_id, opening.model_dump(mode="json"), n=0)
        while True:
            changed.clear()
            # A reader who leaves in the middle of a query must not cost the pool its connection.
            tail = await asyncio.shield(look(parts, speaker, message_id, after))
            if tail is None or tail.revoked:
                return
            for n, text, tool in tail.deltas:
                yield _told(message_id, n, text, tool)
                after, spoken = n, time.monotonic()
            if after < tail.last:
                continue
            if tail.status in _ENDS:
                for ending in await asyncio.shield(_ending(parts, speaker, message_id, tail.last)):
                    yield ending
                return
            if time.monotonic() - spoken >= sse.PING_SECONDS:
                yield sse.PING
                spoken = time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), POLL_SECONDS)


def _told(message_id: UUID, n: int, text: str, tool: dict[str, Any] | None) -> bytes:
    """One row of the log: what was looked up, or words."""
    if tool is None:
        return _event("message.delta", message_id, {"message_id": str(message_id), "n": n, "text": text}, n=n)
    facts = {name: value for name, value in tool.items() if name != "event"}
    return _event(tool["event"], message_id, {"message_id": str(message_id), "n": n, **facts}, n=n)


async def tell_nothing_follows(exchange: Exchange) -> AsyncIterator[bytes]:
    """What was said, and that a person will answer it: their words come by the history, not by this stream."""
    yield _event("message.created", exchange.user_message.id, exchange.model_dump(mode="json"))


async def _ending(parts: ChatParts, speaker: Speaker, message_id: UUID, last: int) -> list[bytes]:
    """The sources and the one terminal event, which carries the whole message."""
    try:
        async with parts.runtime.database.read() as session:
            message = MessageRead.of(*await repository.get_message(session, speaker, message_id))
    except MessageNotFound:
        return []
    data: dict[str, Any] = {"message": message.model_dump(mode="json"), "finish_reason": message.finish_reason}
    if message.error_code:
        data["error"] = {"code": message.error_code}
    cited = [
        _event("message.citation", message_id, {"message_id": str(message_id), "index": index, **source})
        for index, source in enumerate(data["message"]["citations"])
    ]
    if message.finish_reason in _HANDED_OVER:
        name, mode = _HANDED_OVER[message.finish_reason]
        cited.append(_event(name, message_id, {"session_id": str(message.session_id), "mode": mode}))
    return [*cited, _event(_ENDS[message.status], message_id, data, n=last + 1)]


def _event(name: str, message_id: UUID, data: dict[str, Any], *, n: int | None = None) -> bytes:
    """One event. Only those that move a reader's position carry an id, `<message_id>:<n>`."""
    return sse.event(name, data, None if n is None else f"{message_id}:{n}")


def position_in(message_id: UUID, last_event_id: str | None) -> int | None:
    """Where a reader stopped, or None for an id that is not of this answer."""
    owner, _, n = (last_event_id or "").rpartition(":")
    is_ours = owner == str(message_id) and n.isascii() and n.isdigit() and len(n) <= 12  # noqa: PLR2004 - no bigint is longer
    return int(n) if is_ours else None
