"""Who the caller is to the forum."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import StringConstraints

from services.community.forum.rights import MODERATING, Actor, check_moderates
from services.community.forum.schemas import CategorySlug
from services.community.requests import Clean
from services.community.standing import check_may_act
from shared.database import Write
from shared.identity import Caller
from shared.routing import user

MayRead = user(scope="community:read")
MayWrite = user(scope="community:write")


async def _actor(caller: Caller, session: Write) -> Actor:
    """Raises AccountDisabled for a user whom the token has outlived."""
    await check_may_act(session, caller.user_id)
    return Actor(caller.user_id, moderates=bool(caller.roles & MODERATING))


async def _moderator(caller: Caller) -> Actor:
    """For routes that only read. Raises ModeratorsOnly."""
    actor = Actor(caller.user_id, moderates=bool(caller.roles & MODERATING))
    check_moderates(actor)
    return actor


InModerator = Annotated[Actor, Depends(_moderator)]
InActor = Annotated[Actor, Depends(_actor)]
# Why a moderator removes something; authors need no reason.
Reason = Annotated[Annotated[str, StringConstraints(max_length=500), Clean] | None, Query()]
CategoryQuery = Annotated[CategorySlug | None, Query()]
