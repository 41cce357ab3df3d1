"""What staff may do to users, and how the first administrator comes to be."""

import asyncio
from datetime import datetime
from uuid import UUID

from argon2 import PasswordHasher

from services.accounts import repository
from services.accounts.addresses import normalised
from services.accounts.errors import NotOnYourself
from services.accounts.models import ACTIVE, ADMIN, DISABLED, User
from services.accounts.password_policy import check_password
from services.accounts.revocation import forget_credentials
from services.accounts.settings import AccountsSettings
from services.accounts.usecases.registration import SignUp, confirm_address, create_user
from services.accounts.usecases.sessions import revoke_sessions
from shared.contracts.accounts import UserDisabled, UserEnabled, UserRolesChanged
from shared.database import WriteSession
from shared.events.outbox import publish


async def create_admin(
    session: WriteSession, email: str, password: str, *, now: datetime, settings: AccountsSettings | None = None
) -> UUID:
    """A verified administrator with this password; an existing user keeps theirs and gets the role.

    Raises PasswordRefused and NotAnAddress. Settings default to the environment's, for use from the command line.
    """
    settings = settings or AccountsSettings()
    check_password(password, email=normalised(email))
    hasher = PasswordHasher(time_cost=settings.argon2_time_cost, memory_cost=settings.argon2_memory_kib, parallelism=1)
    wanted = SignUp(email=email, password_hash=await asyncio.to_thread(hasher.hash, password))
    await create_user(session, wanted, now=now)
    known = await repository.find_user_by_email(session, normalised(email))
    assert known is not None
    user = await repository.lock_user(session, known.id)
    await confirm_address(session, user, now=now, fingerprint_secret=settings.fingerprint_secret)
    await set_roles(session, user, [*user.roles, ADMIN], now=now)
    return user.id


async def set_roles(session: WriteSession, user: User, roles: list[str], *, now: datetime) -> None:
    """Give a locked user exactly these roles; tokens with the old ones die within seconds."""
    wanted = sorted(set(roles))
    if wanted == sorted(user.roles):
        return
    user.roles, user.updated_at = wanted, now
    user.version += 1
    await publish(session, UserRolesChanged(user_id=user.id, roles=wanted), sequence=user.version)
    await forget_credentials(session, user.id)


async def change_roles(session: WriteSession, user_id: UUID, roles: list[str], *, by: UUID, now: datetime) -> User:
    """Raises NotOnYourself for an administrator who would lock themselves out."""
    user = await repository.lock_user(session, user_id)
    if user_id == by and ADMIN not in roles:
        raise NotOnYourself
    await set_roles(session, user, roles, now=now)
    return user


async def disable_user(session: WriteSession, user_id: UUID, *, by: UUID, reason: str, now: datetime) -> User:
    """Close an account: its sessions end, its keys stop, logins fail like a wrong password."""
    if user_id == by:
        raise NotOnYourself
    user = await repository.lock_user(session, user_id)
    if user.status == ACTIVE:
        user.status, user.updated_at = DISABLED, now
        user.version += 1
        await publish(session, UserDisabled(user_id=user.id, reason=reason), sequence=user.version)
        await revoke_sessions(session, user, reason="disabled", now=now)
    return user


async def enable_user(session: WriteSession, user_id: UUID, *, reason: str, now: datetime) -> User:
    user = await repository.lock_user(session, user_id)
    if user.status == DISABLED:
        user.status, user.updated_at = ACTIVE, now
        user.version += 1
        await publish(session, UserEnabled(user_id=user.id, reason=reason), sequence=user.version)
    return user


async def revoke_all_sessions(session: WriteSession, user_id: UUID, *, reason: str, now: datetime) -> int:
    """Sign a user out everywhere; returns how many sessions ended."""
    user = await repository.lock_user(session, user_id)
    return len(await revoke_sessions(session, user, reason=reason, now=now))
