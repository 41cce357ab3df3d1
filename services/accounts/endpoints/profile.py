"""The signed-in user, their password, and the card that others see."""

from typing import Annotated
from uuid import UUID

from fastapi import Header, Response

from services.accounts import repository, usecases
from services.accounts.endpoints.dependencies import Accounts, InAccounts
from services.accounts.models import User
from services.accounts.password_policy import check_password
from services.accounts.schemas import CardRead, PasswordChangeBody, ProfileBody, UserRead
from services.accounts.usecases.passwords import Checked
from shared.database import Read, Write
from shared.errors import PreconditionFailed
from shared.identity import Caller
from shared.routing import Router, public, user

router = Router(tags=["profile"])


@router.get("/v1/me", access=user(scope="profile:read", unverified=True))
async def read_me(caller: Caller, session: Read, response: Response) -> UserRead:
    return _tagged(await repository.get_user(session, caller.user_id), response)


@router.patch("/v1/me", access=user())
async def update_me(
    body: ProfileBody,
    caller: Caller,
    accounts: InAccounts,
    session: Write,
    response: Response,
    if_match: Annotated[str | None, Header(max_length=100)] = None,
) -> UserRead:
    change = usecases.ProfileChange(**body.model_dump())
    version = _version_in(if_match)
    changed = await usecases.update_profile(session, caller.user_id, change, now=accounts.now, expected_version=version)
    return _tagged(changed, response)


def _version_in(if_match: str | None) -> int | None:
    """The version an edit was made on; without the header the last writer wins."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().removeprefix("W/").strip('"')
    if not tag.isascii() or not tag.isdigit():
        raise PreconditionFailed
    return int(tag)


def _tagged(found: User, response: Response) -> UserRead:
    response.headers["ETag"] = f'"{found.version}"'
    return UserRead.model_validate(found)


@router.post("/v1/me/password", access=user(), status_code=204)
async def change_password(body: PasswordChangeBody, caller: Caller, accounts: InAccounts) -> None:
    """Ends the user's other sessions."""
    await accounts.limit("Too many tries. Please wait a little.", login_account=str(caller.user_id))
    checked, new_hash = await _checked_change(accounts, caller.user_id, body)
    reason, keep = "password_changed", caller.session_id
    async with accounts.revoking() as session:
        changed = await usecases.change_password(session, checked, new_hash, now=accounts.now)
        await usecases.revoke_sessions(session, changed, keep=keep, reason=reason, now=accounts.now)


async def _checked_change(accounts: Accounts, user_id: UUID, body: PasswordChangeBody) -> tuple[Checked, str]:
    """The old password checked and the new one hashed, while no connection is held."""
    hasher, database = accounts.parts.hasher, accounts.runtime.database
    async with database.read() as session:
        owner = await repository.get_user(session, user_id)
    check_password(body.new_password, email=owner.email, field="new_password")
    checked = await usecases.check_own_password(database, hasher, user_id, body.current_password)
    return checked, await hasher.hash(body.new_password)


@router.get("/v1/users/{handle}", access=public)
async def read_card(handle: str, session: Read) -> CardRead:
    return CardRead.model_validate(await repository.get_card(session, handle.lower()))
