"""Replacing a forgotten password: the mailbox proves who asks, so it also confirms the address."""

from datetime import datetime

from services.accounts import repository
from services.accounts.usecases.passwords import set_password
from services.accounts.usecases.registration import confirm_address, consume_token
from services.accounts.usecases.sessions import revoke_sessions
from shared.database import WriteSession


async def reset_password(
    session: WriteSession, token: str, new_hash: str, *, now: datetime, fingerprint_secret: str
) -> None:
    """Use the link up, set the password and end every session; nobody is signed in by it. Raises LinkUsedOrExpired."""
    user_id = await consume_token(session, token, "reset", now)
    user = await repository.lock_user(session, user_id)
    await set_password(session, user, new_hash, now=now)
    await confirm_address(session, user, now=now, fingerprint_secret=fingerprint_secret)
    await revoke_sessions(session, user, reason="password_reset", now=now)
