"""Earlier words of posts: kept when an edit replaces them, so that answers stay understandable."""

import asyncio
import difflib
from datetime import datetime, timedelta

from services.community.forum.models import Comment, CommentRevision, Topic, TopicRevision
from shared.database import WriteSession

# Typing errors that are put right at once are nobody's history.
GRACE = timedelta(minutes=5)
# Comparing takes the square of the number of lines; longer texts are shown as one whole replaced by another.
MAX_COMPARED_LINES = 1000
CONTEXT_LINES = 3


def keep_words(session: WriteSession, post: Topic | Comment, now: datetime) -> None:
    """Keep what the post says now, before an edit, unless it was written a moment ago."""
    written_at = post.edited_at or post.created_at
    if now - written_at < GRACE:
        return
    words = {"post_id": post.id, "revision": post.revision, "content": post.content, "written_at": written_at}
    if isinstance(post, Topic):
        session.add(TopicRevision(title=post.title, **words))
    else:
        session.add(CommentRevision(**words))


async def difference(before: str, after: str) -> str:
    """A unified diff of two texts, made in a thread."""
    return await asyncio.to_thread(_difference, before.splitlines(), after.splitlines())


def _difference(before: list[str], after: list[str]) -> str:
    if max(len(before), len(after)) > MAX_COMPARED_LINES:
        return "\n".join([*(f"-{line}" for line in before), *(f"+{line}" for line in after)])
    return "\n".join(difflib.unified_diff(before, after, n=CONTEXT_LINES, lineterm=""))
