"""Users as staff see and handle them."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.accounts import repository, usecases
from services.accounts.endpoints.dependencies import InAccounts, Revoking
from services.accounts.models import User
from services.accounts.schemas import AdminUserDetail, AdminUserRead, ReasonBody, RolesBody, SubscriptionRead
from shared.database import Read
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, role

USERS = "/v1/admin/accounts/users"
ONE = USERS + "/{user_id}"

router = Router(tags=["administration"])


@router.get(USERS, access=role("admin"))
async def list_users(
    accounts: InAccounts,
    session: Read,
    query: Annotated[str | None, Query(max_length=254)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[AdminUserRead]:
    """Newest first; `query` is how an address or a handle begins."""
    cursors, scope = accounts.runtime.cursors, f"users:{query or ''}"
    position = cursors.read(scope, cursor) if cursor else None
    found = await repository.list_users(session, query, position, limit)

    def to_cursor(last: User) -> str:
        return cursors.sign(scope, [last.created_at, last.id])

    return page_of(found, limit, AdminUserRead.model_validate, to_cursor)


@router.get(ONE, access=role("admin"))
async def read_user(user_id: UUID, session: Read) -> AdminUserDetail:
    """The user, and what billing last told of their plan and subscription."""
    user = AdminUserRead.model_validate(await repository.get_user(session, user_id))
    bought = await usecases.read_bought(session, user_id)
    subscription = bought.subscription and SubscriptionRead.model_validate(bought.subscription)
    return AdminUserDetail(**dict(user), plan_id=bought.plan_id, subscription=subscription)


@router.patch(ONE, access=role("admin"))
async def change_roles(
    user_id: UUID, body: RolesBody, caller: Caller, accounts: InAccounts, session: Revoking
) -> AdminUserRead:
    roles: list[str] = ["user", *body.roles]
    changed = await usecases.change_roles(session, user_id, roles, by=caller.user_id, now=accounts.now)
    return AdminUserRead.model_validate(changed)


@router.post(ONE + "/disable", access=role("admin"))
async def disable_user(
    user_id: UUID, caller: Caller, accounts: InAccounts, session: Revoking, body: ReasonBody | None = None
) -> AdminUserRead:
    reason = body.reason if body else ""
    changed = await usecases.disable_user(session, user_id, by=caller.user_id, reason=reason, now=accounts.now)
    return AdminUserRead.model_validate(changed)


@router.post(ONE + "/enable", access=role("admin"))
async def enable_user(
    user_id: UUID, accounts: InAccounts, session: Revoking, body: ReasonBody | None = None
) -> AdminUserRead:
    reason = body.reason if body else ""
    return AdminUserRead.model_validate(await usecases.enable_user(session, user_id, reason=reason, now=accounts.now))


@router.post(ONE + "/revoke-sessions", access=role("admin"), status_code=204)
async def revoke_user_sessions(user_id: UUID, accounts: InAccounts, session: Revoking) -> None:
    await usecases.revoke_all_sessions(session, user_id, reason="revoked_by_staff", now=accounts.now)
