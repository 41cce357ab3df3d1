"""Erasing a user: what a cascade would do if one database held everything, except that money's history stays.

Their posts stay without their name, or lose their words as well; the ledger keeps amounts and no address.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, text

from services.community import standing
from services.community.affiliates.usecases.membership import end_membership
from services.community.forum.models import Notification, NotificationSettings, Report, Subscription
from services.community.forum.presenting import GONE, GONE_HTML
from services.community.models import Profile
from shared.database import WriteSession

ForumContent = Literal["keep", "blank"]
# Everybody who was erased is this one author, so that their posts say nothing of each other.
NOBODY = UUID(int=0)

_WITHDRAW_VOTES = (
    text("""
        WITH gone AS (DELETE FROM topic_votes WHERE user_id = :user_id RETURNING post_id),
        posts AS (SELECT id FROM forum_topics WHERE id IN (SELECT post_id FROM gone) ORDER BY id FOR UPDATE)
        UPDATE forum_topics SET score = score - 1 WHERE id IN (SELECT id FROM posts)
    """),
    text("""
        WITH gone AS (DELETE FROM comment_votes WHERE user_id = :user_id RETURNING post_id),
        posts AS (SELECT id FROM forum_comments WHERE id IN (SELECT post_id FROM gone) ORDER BY id FOR UPDATE)
        UPDATE forum_comments SET score = score - 1 WHERE id IN (SELECT id FROM posts)
    """),
)
# Whoever changes comments holds their topics' locks, in one order.
_LOCK_TOPICS = text("""
    SELECT id FROM forum_topics
     WHERE user_id = :user_id OR id IN (SELECT topic_id FROM forum_comments WHERE user_id = :user_id)
     ORDER BY id FOR UPDATE
""")
_BLANK = (
    text("""
        UPDATE forum_topics t SET comment_count = t.comment_count - gone.n,
               accepted_comment_id = CASE WHEN t.accepted_comment_id = ANY (gone.ids) THEN NULL
                                          ELSE t.accepted_comment_id END
          FROM (SELECT topic_id, count(*) AS n, array_agg(id) AS ids FROM forum_comments
                 WHERE user_id = :user_id AND status = 'visible' GROUP BY topic_id) gone
         WHERE t.id = gone.topic_id
    """),
    text("""
        UPDATE forum_comments SET content = :gone, content_html = :gone_html, revision = revision + 1,
               status = 'deleted', deleted_at = coalesce(deleted_at, :now), deleted_by = coalesce(deleted_by, :nobody)
         WHERE user_id = :user_id
    """),
    text("""
        UPDATE forum_topics SET title = :gone, slug = 'deleted', tags = '{}', content = :gone,
               content_html = :gone_html, revision = revision + 1, edited_at = :now
         WHERE user_id = :user_id
    """),
    text("DELETE FROM topic_revisions WHERE post_id IN (SELECT id FROM forum_topics WHERE user_id = :user_id)"),
    text("DELETE FROM comment_revisions WHERE post_id IN (SELECT id FROM forum_comments WHERE user_id = :user_id)"),
)
_ANONYMISE = tuple(
    text(f"UPDATE {table} SET {column} = :nobody WHERE {column} = :user_id")  # noqa: S608 - our own names
    for table in ("forum_topics", "forum_comments")
    for column in ("deleted_by", "user_id")
)


async def erase_user(session: WriteSession, user_id: UUID, forum_content: ForumContent, now: datetime) -> bool:
    """Forget a user in every table, in one transaction. Returns False when that was done before."""
    if not await standing.set_erased(session, user_id, now):
        return False
    facts = {"user_id": user_id, "nobody": NOBODY, "now": now, "gone": GONE, "gone_html": GONE_HTML}
    blank = _BLANK if forum_content == "blank" else ()
    for statement in (_LOCK_TOPICS, *_WITHDRAW_VOTES, *blank, *_ANONYMISE):
        await session.execute(statement, facts)
    await session.execute(delete(Subscription).where(Subscription.user_id == user_id))
    await session.execute(delete(Report).where(Report.reporter_id == user_id))
    theirs = (Notification.user_id == user_id) | (Notification.actor_id == user_id)
    await session.execute(delete(Notification).where(theirs))
    await session.execute(delete(NotificationSettings).where(NotificationSettings.user_id == user_id))
    await session.execute(delete(Profile).where(Profile.user_id == user_id))
    await end_membership(session, user_id, now)
    return True
