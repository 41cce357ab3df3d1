"""The devices a user is signed in on."""

from uuid import UUID

from services.accounts import repository, usecases
from services.accounts.endpoints.dependencies import InAccounts, Revoking
from services.accounts.models import UserSession
from services.accounts.schemas import SessionRead, Sessions
from shared.database import Read
from shared.errors import Unprocessable
from shared.identity import Caller
from shared.routing import Router, user

router = Router(tags=["sessions"])


@router.get("/v1/me/sessions", access=user())
async def list_sessions(caller: Caller, accounts: InAccounts, session: Read) -> Sessions:
    found = await repository.list_sessions(session, caller.user_id, accounts.now)
    return Sessions(items=[_read(entry, caller.session_id) for entry in found])


def _read(entry: UserSession, current: UUID | None) -> SessionRead:
    return SessionRead(
        id=entry.id,
        current=entry.id == current,
        device_label=entry.device_label,
        ip=str(entry.ip) if entry.ip else None,
        created_at=entry.created_at,
        last_seen_at=entry.last_seen_at,
        expires_at=min(entry.expires_at, entry.idle_expires_at),
    )


@router.delete("/v1/me/sessions/{session_id}", access=user(), status_code=204)
async def revoke_session(session_id: UUID, caller: Caller, accounts: InAccounts, session: Revoking) -> None:
    await usecases.revoke_session(session, caller.user_id, session_id, reason="revoked", now=accounts.now)


@router.delete("/v1/me/sessions", access=user(), status_code=204)
async def revoke_sessions(
    caller: Caller,
    accounts: InAccounts,
    session: Revoking,
    *,
    others: bool = False,
    all: bool = False,  # noqa: A002 - the parameter's published name
) -> None:
    if others == all:
        detail = "Say others=true or all=true."
        raise Unprocessable(detail, errors=[{"field": "others", "code": "one_of", "detail": detail}])
    found = await repository.lock_user(session, caller.user_id)
    keep = caller.session_id if others else None
    await usecases.revoke_sessions(session, found, keep=keep, reason="revoked", now=accounts.now)
