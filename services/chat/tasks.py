"""Time in: answers whose author is gone, and logs that nobody will read again."""

from datetime import timedelta
from typing import cast

from services.chat import known
from services.chat.parts import ChatParts
from services.chat.settings import ChatSettings
from services.chat.usecases import handover
from shared.logging import get_logger
from shared.runtime import Runtime

log = get_logger(__name__)

_ABANDONED = """
    SELECT id, lease_token FROM chat_messages
     WHERE status = 'STREAMING' AND lease_until < clock_timestamp() ORDER BY lease_until LIMIT 100
"""
_FAIL = """
    SELECT chat_finish_v1(%s, %s, 'FAILED', 'error', 'interrupted', NULL, NULL, NULL, NULL, %s)
     WHERE EXISTS (SELECT 1 FROM chat_messages WHERE id = %s AND lease_until < clock_timestamp())
"""
_OLD_CHUNKS = """
    DELETE FROM chat_stream_chunks USING chat_messages m
     WHERE m.id = message_id AND m.completed_at < %s - make_interval(secs => %s)
"""
_OLD_ENDS = "DELETE FROM stream_ends WHERE ended_at < now() - interval '1 hour'"


async def end_abandoned_answers(runtime: Runtime) -> int:
    """An answer whose lease ran out fails as `interrupted` and keeps its part. Returns how many did."""
    async with runtime.database.pool.connection() as connection:
        abandoned = await (await connection.execute(_ABANDONED)).fetchall()
        for row in abandoned:
            values = (row["id"], row["lease_token"], runtime.clock.now(), row["id"])
            await connection.execute(_FAIL, values)
    for row in abandoned:
        cast(ChatParts, runtime.parts).announcements.tell(row["id"])
    if abandoned:
        runtime.database.committed_events()
        log.warning("answers_interrupted", count=len(abandoned))
    return len(abandoned)


async def give_back_silent_handovers(runtime: Runtime) -> int:
    """Where people have said nothing for a day, the assistant answers again. Returns in how many conversations."""
    silence = timedelta(seconds=cast(ChatSettings, runtime.settings).handover_silence_seconds)
    async with runtime.database.write() as session:
        return await handover.give_back_silent(session, runtime.clock.now() - silence)


async def prune(runtime: Runtime) -> None:
    """The log of an answer is kept for a while after its end, so that readers can resume; the message has the text."""
    kept = cast(ChatSettings, runtime.settings).chunks_kept_seconds
    async with runtime.database.pool.connection() as connection:
        await connection.execute(_OLD_CHUNKS, (runtime.clock.now(), kept))
        await connection.execute(_OLD_ENDS)
    async with runtime.database.write() as session:
        await known.forget_old(session, runtime.clock.now())
