"""Who the caller is to the forum."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import StringConstraints

from services.community.errors import Banned
from services.community.forum.rights import MODERATING, Actor, check_moderates
from services.community.forum.schemas import CategorySlug
from services.community.requests import Clean, Community
from services.community.standing import get_active
from shared.database import Write
from shared.identity import Caller
from shared.routing import user

MayRead = user(scope="community:read")
MayWrite = user(scope="community:write")


async def _actor(caller: Caller, session: Write) -> Actor:
    """Raises AccountDisabled for a user whom the token has outlived, Banned for one whom moderators sent away."""
    known = await get_active(session, caller.user_id)
    moderates = bool(caller.roles & MODERATING)
    if known is None:
        return Actor(caller.user_id, moderates=moderates)
    if known.banned_at is not None:
        raise Banned
    return Actor(caller.user_id, moderates=moderates, pays=known.is_paying, silenced_until=known.silenced_until)


async def limit_posts(community: Community, actor: Actor, kind: str, per_hour: int) -> None:
    """Count a post of this kind. Raises RateLimited; who pays may post more."""
    allowed = per_hour * community.settings.paying_factor if actor.pays else per_hour
    await community.limit(f"{kind}:{actor.user_id}", allowed, f"Too many {kind}s in an hour.")


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
