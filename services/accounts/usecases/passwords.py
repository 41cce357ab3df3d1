"""Passwords: checking one without telling whose address is known, changing it, and replacing a forgotten one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete

from services.accounts import repository
from services.accounts.addresses import normalised
from services.accounts.errors import CredentialsRejected, PasswordWrong
from services.accounts.hashing import Hasher
from services.accounts.models import ACTIVE, OneTimeToken, User
from services.accounts.usecases.mailing import ask_for_mail
from shared.database import Database, WriteSession

_LOGIN = "SELECT id, password_hash, status FROM users WHERE email = %(email)s"
_OWN = "SELECT id, password_hash, status FROM users WHERE id = %(user_id)s"


@dataclass(frozen=True, slots=True)
class Checked:
    """A password that fitted the stored hash; `renewed_hash` replaces a hash made the old way."""

    user_id: UUID
    stored_hash: str
    renewed_hash: str | None


async def check_login(database: Database, hasher: Hasher, email: str, password: str) -> Checked:
    """Whose password this is. Raises CredentialsRejected alike, and after the same time, for an unknown address, a
    wrong password and a closed account. No connection is held while hashing."""
    async with database.pool.connection() as connection:
        row = await (await connection.execute(_LOGIN, {"email": normalised(email)})).fetchone()
    return await _check(hasher, row, password)


async def check_own_password(database: Database, hasher: Hasher, user_id: UUID, password: str) -> Checked:
    """The same for somebody signed in. Raises PasswordWrong."""
    async with database.pool.connection() as connection:
        row = await (await connection.execute(_OWN, {"user_id": user_id})).fetchone()
    try:
        return await _check(hasher, row, password)
    except CredentialsRejected as error:
        raise PasswordWrong from error


async def _check(hasher: Hasher, row: dict[str, Any] | None, password: str) -> Checked:
    stored = row["password_hash"] if row else None
    fits = await hasher.matches(password, stored)
    # State comes after the hash, so that a closed account answers as slowly as a wrong password.
    if not fits or row is None or row["status"] != ACTIVE:
        raise CredentialsRejected
    return Checked(row["id"], row["password_hash"], await hasher.renewed(password, row["password_hash"]))


async def change_password(session: WriteSession, checked: Checked, new_hash: str, *, now: datetime) -> User:
    """Put the new hash in place of the one that was checked; returns the locked user, whose other sessions are the
    caller's to end. Raises PasswordWrong when it changed since."""
    user = await repository.lock_user(session, checked.user_id)
    if user.password_hash != checked.stored_hash:
        raise PasswordWrong
    await set_password(session, user, new_hash, now=now)
    return user


async def set_password(session: WriteSession, user: User, new_hash: str, *, now: datetime) -> None:
    """A new password for a locked user: links to reset the old one die, and the owner hears of it.

    Logins that wait for their second factor die too, since they remember the hash that was right."""
    user.password_hash = new_hash
    user.password_changed_at = user.updated_at = now
    await session.execute(delete(OneTimeToken).where(OneTimeToken.user_id == user.id, OneTimeToken.purpose == "reset"))
    await ask_for_mail(session, user.id, "password_changed")


async def request_reset(session: WriteSession, email: str) -> None:
    """Ask for a mail with a reset link, if the address is known. Nothing else changes, whoever asks."""
    user = await repository.find_user_by_email(session, normalised(email))
    if user is not None and user.status == ACTIVE:
        await ask_for_mail(session, user.id, "password_reset")
