"""Stored counters against what they count. They are kept right by each command; this proves it and repairs the rest."""

from dataclasses import dataclass

from sqlalchemy import text

from shared.database import ReadSession, WriteSession


@dataclass(frozen=True, slots=True)
class Drift:
    """A stored counter (`what` names it) that is not the number of its rows."""

    what: str
    key: str
    stored: int
    counted: int


_DRIFT = text("""
    SELECT 'topic score' AS what, t.id::text AS key, t.score AS stored, count(v.user_id) AS counted
      FROM forum_topics t LEFT JOIN topic_votes v ON v.post_id = t.id
     GROUP BY t.id HAVING t.score <> count(v.user_id)
    UNION ALL
    SELECT 'comment score', c.id::text, c.score, count(v.user_id)
      FROM forum_comments c LEFT JOIN comment_votes v ON v.post_id = c.id
     GROUP BY c.id HAVING c.score <> count(v.user_id)
    UNION ALL
    SELECT 'comment count', t.id::text, t.comment_count, count(c.id)
      FROM forum_topics t LEFT JOIN forum_comments c ON c.topic_id = t.id AND c.status = 'visible'
     GROUP BY t.id HAVING t.comment_count <> count(c.id)
""")
# Those who count hold these locks, so between the lock and the repair nothing changes.
_LOCK = text("LOCK TABLE forum_topics, forum_comments, topic_votes, comment_votes IN SHARE ROW EXCLUSIVE MODE")
_REPAIRS = (
    text(
        "UPDATE forum_topics t SET score = (SELECT count(*) FROM topic_votes WHERE post_id = t.id)"
        " WHERE id::text = ANY (:keys)"
    ),
    text(
        "UPDATE forum_comments c SET score = (SELECT count(*) FROM comment_votes WHERE post_id = c.id)"
        " WHERE id::text = ANY (:keys)"
    ),
    text(
        "UPDATE forum_topics t SET comment_count ="
        " (SELECT count(*) FROM forum_comments WHERE topic_id = t.id AND status = 'visible')"
        " WHERE id::text = ANY (:keys)"
    ),
)


async def find_drift(session: ReadSession) -> list[Drift]:
    """Counters that are wrong. There should be none, whatever happened."""
    return [Drift(*row) for row in (await session.execute(_DRIFT)).all()]


async def repair_counters(session: WriteSession) -> list[Drift]:
    """Set every counter to what there is to count; returns what was wrong. Writers wait only when something was."""
    if not await find_drift(session):
        return []
    await session.execute(_LOCK)
    drift = await find_drift(session)
    for repair in _REPAIRS:
        await session.execute(repair, {"keys": [entry.key for entry in drift]})
    return drift
