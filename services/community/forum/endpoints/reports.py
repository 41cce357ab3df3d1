"""HTTP in, for complaints about posts and the queue that moderators work off."""

from uuid import UUID

from services.community.forum import repository
from services.community.forum.endpoints.access import InActor, InModerator, MayWrite
from services.community.forum.rights import Actor
from services.community.forum.schemas import ReportBody, ReportFacts, ReportRead, ReportState, Resolution
from services.community.forum.usecases import reports
from services.community.forum.usecases.reports import Complaint
from services.community.requests import Community, InCommunity, Place
from shared.database import Read, Write
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, user

router = Router(tags=["forum"])


@router.post("/v1/forum/topics/{topic_id}/report", access=MayWrite, status_code=204)
async def report_topic(
    topic_id: UUID, body: ReportBody, session: Write, actor: InActor, community: InCommunity
) -> None:
    """Call a moderator. Reporting a post again changes nothing."""
    await community.limit(
        f"report:{actor.user_id}", community.settings.reports_per_hour, "Too many reports in an hour."
    )
    await reports.report_topic(session, actor, topic_id, Complaint(body.reason, body.note), community.now)


@router.post("/v1/forum/comments/{comment_id}/report", access=MayWrite, status_code=204)
async def report_comment(
    comment_id: UUID, body: ReportBody, session: Write, actor: InActor, community: InCommunity
) -> None:
    await community.limit(
        f"report:{actor.user_id}", community.settings.reports_per_hour, "Too many reports in an hour."
    )
    await reports.report_comment(session, actor, comment_id, Complaint(body.reason, body.note), community.now)


async def _limit(actor: Actor, community: Community) -> None:
    limit = community.settings.reports_per_hour
    await community.limit(f"report:{actor.user_id}", limit, "Too many reports in an hour.")


@router.get("/v1/admin/community/reports", access=user())
async def list_reports(
    session: Read,
    community: InCommunity,
    _moderator: InModerator,
    state: ReportState = "open",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ReportRead]:
    """For moderators, oldest first."""
    place = Place(community, f"reports:{state}", cursor)
    rows = await repository.list_reports(session, state, place.values, limit)
    return page_of(
        rows,
        limit,
        lambda row: ReportRead(
            **ReportFacts.model_validate(row.Report).model_dump(),
            author_id=row.author_id,
            content=row.content,
            status=row.status,
        ),
        lambda row: place.after(row.Report.id),
    )


@router.post("/v1/admin/community/reports/{report_id}/claim", access=user())
async def claim_report(report_id: UUID, session: Write, actor: InActor, community: InCommunity) -> ReportFacts:
    """For moderators: say that you look into it. Claiming again keeps it warm; after an hour anybody may."""
    return ReportFacts.model_validate(await reports.claim_report(session, actor, report_id, community.now))


@router.post("/v1/admin/community/reports/{report_id}/resolve", access=user())
async def resolve_report(
    report_id: UUID, body: Resolution, session: Write, actor: InActor, community: InCommunity
) -> ReportFacts:
    """For moderators: decide about the post, once for all who reported it."""
    return ReportFacts.model_validate(
        await reports.resolve_report(session, actor, report_id, body.decision, community.now)
    )
