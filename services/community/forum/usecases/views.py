"""Views: each viewer counts once per topic and day, and a topic's row is written once per fold, not per view."""

from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from sqlalchemy import text

from services.community.errors import TopicNotFound
from shared.database import WriteSession

_NOTE = """
    WITH seen AS (SELECT id FROM forum_topics WHERE id = %(topic_id)s AND status = 'visible'),
    noted AS (
        INSERT INTO topic_view_buffer (topic_id, day, viewer, counted)
        SELECT id, %(day)s, %(viewer)s, false FROM seen ON CONFLICT DO NOTHING
    )
    SELECT id FROM seen
"""
_FOLD = text("""
    WITH fresh AS (
        UPDATE topic_view_buffer SET counted = true
         WHERE (topic_id, day, viewer) IN (
               SELECT topic_id, day, viewer FROM topic_view_buffer WHERE NOT counted FOR UPDATE SKIP LOCKED)
        RETURNING topic_id
    ), counts AS (SELECT topic_id, count(*) AS n FROM fresh GROUP BY topic_id),
    locked AS (
        SELECT t.id, c.n FROM forum_topics t JOIN counts c ON c.topic_id = t.id ORDER BY t.id FOR UPDATE OF t
    )
    UPDATE forum_topics t SET views = t.views + l.n FROM locked l WHERE t.id = l.id
""")
# Yesterday's hashes can't come again after the day has ended everywhere, so they are of no use.
_FORGET = text("DELETE FROM topic_view_buffer WHERE counted AND day < :day - 1")


async def note_view(
    connection: AsyncConnection[dict[str, object]], topic_id: UUID, viewer: bytes, now: datetime
) -> None:
    """Put the view into the buffer, on an autocommit connection. Raises TopicNotFound."""
    values = {"topic_id": topic_id, "day": now.date(), "viewer": viewer}
    if await (await connection.execute(_NOTE, values)).fetchone() is None:
        raise TopicNotFound


async def fold_views(session: WriteSession, now: datetime) -> None:
    """Add what the buffer holds to the topics, and forget old days."""
    await session.execute(_FOLD)
    await session.execute(_FORGET, {"day": now.date()})
