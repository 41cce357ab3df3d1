"""HTTP in, for staff: what concerns all three packages."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.community.erasure import ForumContent, erase_user
from services.community.requests import InCommunity
from shared.database import Write
from shared.routing import Router, role

router = Router(tags=["community, staff"])


class ErasureBody(BaseModel):
    """`blank` takes the words of the user's posts away as well; `keep` leaves them without an author."""

    model_config = ConfigDict(extra="forbid")

    forum_content: ForumContent = "keep"


class ErasureRead(BaseModel):
    """`erased` is false when it was done before."""

    erased: bool


@router.post("/v1/admin/community/users/{user_id}/erase", access=role("admin"))
async def erase_community_user(user_id: UUID, body: ErasureBody, session: Write, community: InCommunity) -> ErasureRead:
    """Forget a user here for good: name, votes, subscriptions, notifications, and the words if asked."""
    return ErasureRead(erased=await erase_user(session, user_id, body.forum_content, community.now))
