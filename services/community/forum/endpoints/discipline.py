"""HTTP in, for moderators, about users."""

from datetime import timedelta
from uuid import UUID

from services.community.forum.endpoints.access import InActor
from services.community.forum.schemas import Ban, Silence, StandingRead
from services.community.forum.usecases import discipline
from services.community.requests import InCommunity
from shared.database import Write
from shared.routing import Router, user

router = Router(tags=["forum"])


@router.post("/v1/admin/community/users/{user_id}/silence", access=user())
async def silence_user(
    user_id: UUID, body: Silence, session: Write, actor: InActor, community: InCommunity
) -> StandingRead:
    """For moderators: the user may read and vote, and write nothing for a while."""
    spell = timedelta(hours=body.hours)
    known = await discipline.silence_user(session, actor, user_id, spell, body.reason, community.now)
    return StandingRead.model_validate(known)


@router.post("/v1/admin/community/users/{user_id}/ban", access=user())
async def ban_user(user_id: UUID, body: Ban, session: Write, actor: InActor, community: InCommunity) -> StandingRead:
    """For moderators: the user may read the forum and change nothing there."""
    known = await discipline.ban_user(session, actor, user_id, body.reason, community.now, banned=body.banned)
    return StandingRead.model_validate(known)
