"""What moderators do about users rather than posts, each step kept in the log."""

from datetime import datetime, timedelta
from uuid import UUID

from services.community import standing
from services.community.errors import NotAgainstStaff
from services.community.forum.models import ModerationEntry
from services.community.forum.rights import MODERATING, Actor, check_moderates
from services.community.models import Standing
from shared.database import WriteSession
from shared.ids import new_id


async def silence_user(
    session: WriteSession, actor: Actor, user_id: UUID, spell: timedelta, reason: str | None, now: datetime
) -> Standing:
    """Let the user read and vote and say nothing for this long; no time at all lets them speak again.

    Raises ModeratorsOnly, NotAgainstStaff.
    """
    await _check_may_discipline(session, actor, user_id)
    until = now + spell if spell else None
    await standing.set_silenced(session, user_id, until)
    return await _note(session, actor, user_id, "silence" if until else "unsilence", reason, now)


async def ban_user(
    session: WriteSession, actor: Actor, user_id: UUID, reason: str | None, now: datetime, *, banned: bool
) -> Standing:
    """Close the forum to the user but for reading, or open it again. Raises ModeratorsOnly, NotAgainstStaff."""
    await _check_may_discipline(session, actor, user_id)
    await standing.set_banned(session, user_id, now if banned else None)
    return await _note(session, actor, user_id, "ban" if banned else "unban", reason, now)


async def _check_may_discipline(session: WriteSession, actor: Actor, user_id: UUID) -> None:
    """Moderators don't fight each other out of the forum."""
    check_moderates(actor)
    known = await session.get(Standing, user_id)
    if user_id == actor.user_id or (known is not None and not MODERATING.isdisjoint(known.roles)):
        raise NotAgainstStaff


async def _note(
    session: WriteSession, actor: Actor, user_id: UUID, action: str, reason: str | None, now: datetime
) -> Standing:
    session.add(
        ModerationEntry(
            id=new_id(), actor_id=actor.user_id, action=action, author_id=user_id, reason=reason, created_at=now
        )
    )
    return await session.get_one(Standing, user_id, populate_existing=True)
