"""Complaints about posts, and what moderators decide about them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from services.community.errors import CommentNotFound, ReportClaimed, ReportDecided, TopicNotFound
from services.community.forum import repository
from services.community.forum.models import DISMISSED, OPEN, UPHELD, Report
from services.community.forum.rights import Actor, check_may_report, check_moderates
from services.community.forum.usecases.comments import remove_comment
from services.community.forum.usecases.topics import remove_topic
from shared.database import WriteSession
from shared.ids import new_id

Decision = Literal["remove", "dismiss"]
CLAIM = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Complaint:
    reason: str
    note: str | None


async def report_topic(
    session: WriteSession, actor: Actor, topic_id: UUID, complaint: Complaint, now: datetime
) -> None:
    """Call a moderator to a topic. Raises TopicNotFound, SelfReport."""
    check_may_report(actor, await repository.get_topic(session, topic_id))
    await _file(session, actor, topic_id, None, complaint, now)


async def report_comment(
    session: WriteSession, actor: Actor, comment_id: UUID, complaint: Complaint, now: datetime
) -> None:
    """Call a moderator to a comment. Raises CommentNotFound, SelfReport."""
    comment = await repository.get_comment(session, comment_id)
    check_may_report(actor, comment)
    await _file(session, actor, comment.topic_id, comment.id, complaint, now)


async def _file(
    session: WriteSession, actor: Actor, topic_id: UUID, comment_id: UUID | None, complaint: Complaint, now: datetime
) -> None:
    """A reader's second complaint about the same post adds nothing: it was decided, or it will be."""
    row = {
        "id": new_id(),
        "topic_id": topic_id,
        "comment_id": comment_id,
        "reporter_id": actor.user_id,
        "reason": complaint.reason,
        "note": complaint.note,
        "created_at": now,
    }
    await session.execute(insert(Report).values(**row).on_conflict_do_nothing())


async def claim_report(session: WriteSession, actor: Actor, report_id: UUID, now: datetime) -> Report:
    """Say that one looks into a report, so that no other moderator does as well. A claim goes cold after an hour.

    Raises ModeratorsOnly, ReportNotFound, ReportClaimed, ReportDecided.
    """
    check_moderates(actor)
    report = await repository.lock_report(session, report_id)
    if report.state != OPEN:
        raise ReportDecided
    is_warm = report.claimed_at is not None and report.claimed_at > now - CLAIM
    if is_warm and report.claimed_by != actor.user_id:
        raise ReportClaimed
    report.claimed_by, report.claimed_at = actor.user_id, now
    await session.flush()
    return report


async def resolve_report(
    session: WriteSession, actor: Actor, report_id: UUID, decision: Decision, now: datetime
) -> Report:
    """Decide about a report and every other open one on the same post. A decision stands: the first one counts.

    Raises ModeratorsOnly, ReportNotFound.
    """
    check_moderates(actor)
    report = await repository.lock_report(session, report_id)
    if report.state != OPEN:
        return report
    if decision == "remove":
        await _remove_post(session, actor, report, now)
    same_post = (Report.topic_id == report.topic_id, Report.comment_id.is_not_distinct_from(report.comment_id))
    state = UPHELD if decision == "remove" else DISMISSED
    news = {"state": state, "handled_by": actor.user_id, "handled_at": now}
    await session.execute(update(Report).where(*same_post, Report.state == OPEN).values(**news))
    await session.refresh(report)
    return report


async def _remove_post(session: WriteSession, actor: Actor, report: Report, now: datetime) -> None:
    """Its author or another moderator may have been first, and then there is nothing left to do."""
    reason = f"reported: {report.reason}"
    try:
        if report.comment_id is not None:
            await remove_comment(session, actor, report.comment_id, reason, now)
        else:
            await remove_topic(session, actor, report.topic_id, reason, now)
    except (TopicNotFound, CommentNotFound):
        return
