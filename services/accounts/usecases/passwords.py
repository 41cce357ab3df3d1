"""Passwords: checking one without telling whose address is known, changing it, and replacing a forgotten one."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete

from services.accounts import repository
from services.accounts.addresses import normalised
from services.accounts.errors import CredentialsRejected, PasswordWrong
from services.accounts.hashing import Hasher
from services.accounts.models import ACTIVE, OneTimeToken, User
from services.accounts.usecases.mailing import ask_for_mail
from shared.database import Database, WriteSession


@dataclass(frozen=True, slots=True)
class Checked:
    """A password that fitted the stored hash; `renewed_hash` replaces a hash made the old way."""

    user_id: UUID
    stored_hash: str
    renewed_hash: str | None


async def check_login(database: Database, hasher: Hasher, email: str, password: str) -> Checked:
    """Whose password this is. Raises CredentialsRejected alike, and after the same time, for an unknown address, a
    wrong password and a closed account. No connection is held while hashing."""
    async with database.read() as session:
        user = await repository.find_user_by_email(session, normalised(email))
    return await _check(hasher, user, password)


async def check_own_password(database: Database, hasher: Hasher, user_id: UUID, password: str) -> Checked:
    """The same for somebody signed in. Raises PasswordWrong."""
    async with database.read() as session:
        user = await repository.get_user(session, user_id)
    try:
        return await _check(hasher, user, password)
    except CredentialsRejected as error:
        raise PasswordWrong from error


async def _check(hasher: Hasher, user: User | None, password: str) -> Checked:
    stored = user.password_hash if user else None
    fits = await hasher.matches(password, stored)
    # State comes after the hash, so that a closed account answers as slowly as a wrong password.
    if not fits or user is None or stored is None or user.status != ACTIVE:
        raise CredentialsRejected
    return Checked(user.id, stored, await hasher.hash(password) if hasher.is_outdated(stored) else None)


async def change_password(session: WriteSession, checked: Checked, new_hash: str, *, now: datetime) -> User:
    """Put the new hash in place of the one that was checked; returns the locked user, whose other sessions are the
    caller's to end. Raises PasswordWrong when it changed since."""
    user = await repository.lock_user(session, checked.user_id)
    if user.password_hash != checked.stored_hash:
        raise PasswordWrong
    await set_password(session, user, new_hash, now=now)
    return user


async def set_password(session: WriteSession, user: User, new_hash: str, *, now: datetime) -> None:
    """A new password for a locked user: links to reset the old one die, and the owner hears of it."""
    user.password_hash = new_hash
    user.password_changed_at = user.updated_at = now
    await session.execute(delete(OneTimeToken).where(OneTimeToken.user_id == user.id, OneTimeToken.purpose == "reset"))
    await ask_for_mail(session, user.id, "password_changed")


async def request_reset(session: WriteSession, email: str) -> None:
    """Ask for a mail with a reset link, if the address is known. Nothing else changes, whoever asks."""
    user = await repository.find_user_by_email(session, normalised(email))
    if user is not None and user.status == ACTIVE:
        await ask_for_mail(session, user.id, "password_reset")
