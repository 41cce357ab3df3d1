"""Forgetting a user: asked for, waited for, told to every service, and finished when all have confirmed it.

While the days of grace last nothing is erased and the user can come back. Then every service erases in a transaction of
its own and confirms; a service that stays silent past the deadline is named, and its late confirmation still counts.
"""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from services.accounts import repository
from services.accounts.errors import DeletionNotFound, DeletionUnderWay, NotOnYourself
from services.accounts.models import ADMIN, DISABLED, ApiKey, DeletionConfirmation, DeletionRequest, User
from services.accounts.revocation import forget_credentials
from services.accounts.usecases.mailing import ask_for_mail
from services.accounts.usecases.sessions import revoke_sessions
from shared.contracts.accounts import UserDeleted, UserDeletionRequested
from shared.contracts.common import UserErased
from shared.database import ReadSession, WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

ForumContent = Literal["keep", "blank"]
WAITING, ERASING, DONE, PARTIAL, CANCELLED = "waiting", "erasing", "done", "partial", "cancelled"
ERASERS = ("billing", "chat", "community", "jobs")
BATCH = 50


async def request_deletion(
    session: WriteSession, user_id: UUID, forum_content: ForumContent, *, now: datetime, grace: timedelta
) -> DeletionRequest:
    """Sign the user out everywhere, keys included, and begin the days of grace. Asking again finds the same request.

    Raises NotOnYourself for an administrator: an installation must not lose its last one by mistake.
    """
    user = await repository.lock_user(session, user_id)
    if ADMIN in user.roles:
        raise NotOnYourself("Another administrator has to take your role first.")
    known = await _find_open(session, user_id)
    if known is not None:
        return known
    request = DeletionRequest(
        id=new_id(),
        user_id=user_id,
        state=WAITING,
        forum_content=forum_content,
        requested_at=now,
        execute_after=now + grace,
    )
    session.add(request)
    await _sign_out(session, user, now)
    await ask_for_mail(session, user_id, "deletion_requested", on=request.execute_after.date().isoformat())
    return request


async def _sign_out(session: WriteSession, user: User, now: datetime) -> None:
    keys = update(ApiKey).where(ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None))
    await session.execute(keys.values(revoked_at=now))
    await revoke_sessions(session, user, reason="deletion", now=now)
    await forget_credentials(session, user.id)


async def _find_open(session: ReadSession, user_id: UUID) -> DeletionRequest | None:
    statement = select(DeletionRequest).where(DeletionRequest.user_id == user_id)
    return await session.scalar(statement.where(DeletionRequest.state.in_((WAITING, ERASING))))


async def get_deletion(session: ReadSession, user_id: UUID) -> DeletionRequest:
    """Raises DeletionNotFound when the user has not asked to be deleted, or has changed their mind."""
    request = await _find_open(session, user_id)
    if request is None:
        raise DeletionNotFound
    return request


async def cancel_deletion(session: WriteSession, user_id: UUID, *, now: datetime) -> None:
    """Keep the account after all. Raises DeletionNotFound, and DeletionUnderWay once it has begun."""
    await repository.lock_user(session, user_id)
    request = await get_deletion(session, user_id)
    if request.state != WAITING:
        raise DeletionUnderWay
    request.state, request.finished_at = CANCELLED, now


async def begin_due(session: WriteSession, *, now: datetime) -> int:
    """Tell every service to erase those whose days of grace are over. Returns how many were begun."""
    due = select(DeletionRequest).where(DeletionRequest.state == WAITING, DeletionRequest.execute_after <= now)
    requests = (await session.scalars(due.limit(BATCH).with_for_update(skip_locked=True))).all()
    for request in requests:
        user = await repository.lock_user(session, request.user_id)
        await _sign_out(session, user, now)
        await ask_for_mail(session, user.id, "deletion_begun")
        user.status, user.updated_at = DISABLED, now
        user.version += 1
        request.state, request.begun_at = ERASING, now
        told = UserDeletionRequested(
            request_id=request.id, user_id=user.id, services=list(ERASERS), forum_content=request.forum_content
        )
        await publish(session, told, sequence=user.version)
    return len(requests)


async def confirm(session: WriteSession, event: UserErased, *, now: datetime) -> None:
    """Keep a service's confirmation; the last one finishes the deletion."""
    request = await session.get(DeletionRequest, event.request_id, with_for_update=True)
    if request is None:
        return
    row = {"request_id": request.id, "service": event.service, "counts": dict(event.counts), "confirmed_at": now}
    await session.execute(insert(DeletionConfirmation).values(row).on_conflict_do_nothing())
    missing = await _missing(session, request.id)
    if request.state == ERASING and not missing:
        await _finish(session, request, missing, now)
    if request.state == PARTIAL and not missing:
        request.state = DONE


async def finish_late(session: WriteSession, *, now: datetime, deadline: timedelta) -> list[DeletionRequest]:
    """Finish without the services that stayed silent for too long; returns these deletions."""
    late = select(DeletionRequest).where(DeletionRequest.state == ERASING, DeletionRequest.begun_at <= now - deadline)
    requests = (await session.scalars(late.limit(BATCH).with_for_update(skip_locked=True))).all()
    for request in requests:
        await _finish(session, request, await _missing(session, request.id), now)
    return list(requests)


async def _missing(session: ReadSession, request_id: UUID) -> list[str]:
    statement = select(DeletionConfirmation.service).where(DeletionConfirmation.request_id == request_id)
    return sorted(set(ERASERS) - set(await session.scalars(statement)))


async def _finish(session: WriteSession, request: DeletionRequest, missing: list[str], now: datetime) -> None:
    """The last word about a user; with their row goes everything of theirs here, and the address is free again."""
    request.state, request.finished_at = PARTIAL if missing else DONE, now
    user = await repository.lock_user(session, request.user_id)
    deleted = UserDeleted(request_id=request.id, user_id=user.id, partial_services=missing)
    await publish(session, deleted, sequence=user.version + 1)
    await session.execute(delete(User).where(User.id == user.id))
