"""Signing up and confirming an address. Nothing is told about a user before the confirmation."""

import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from services.accounts import repository
from services.accounts.addresses import fingerprint, normalised
from services.accounts.errors import LinkUsedOrExpired
from services.accounts.models import ACTIVE, USER, OneTimeToken, User
from services.accounts.tokens import digest
from services.accounts.usecases.mailing import ask_for_mail
from shared.contracts.accounts import UserEmailChanged, UserRegistered
from shared.database import WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

HANDLE_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
HANDLE_NAME_LENGTH, HANDLE_SUFFIX_LENGTH = 20, 6
HANDLE_TRIES = 5


@dataclass(frozen=True, slots=True)
class SignUp:
    email: str
    password_hash: str
    display_name: str | None = None
    referral_code: str | None = None
    referral_click_id: str | None = None


async def sign_up(session: WriteSession, wanted: SignUp, *, now: datetime, may_mail: bool = True) -> None:
    """Create an unverified user and ask for the mail that confirms the address.

    A known address changes nothing; its owner gets a mail that says what to do instead. The caller can't tell which
    happened, and `may_mail=False` (too many mails to this address already) leaves only the mail out.
    """
    created = await create_user(session, wanted, now=now)
    if created is not None:
        await ask_for_mail(session, created, "verify")
        return
    known = await repository.find_user_by_email(session, normalised(wanted.email))
    if known is not None and may_mail:
        await ask_for_mail(session, known.id, "already_registered" if known.email_verified else "verify")


async def create_user(session: WriteSession, wanted: SignUp, *, now: datetime) -> UUID | None:
    """A new unverified user's id, or None when the address has one. Concurrent calls agree on one user."""
    for _ in range(HANDLE_TRIES):
        statement = insert(User).values(_row_of(wanted, now)).on_conflict_do_nothing().returning(User.id)
        created = await session.scalar(statement)
        if created is not None:
            return created
        if await repository.find_user_by_email(session, normalised(wanted.email)):
            return None
    raise RuntimeError("No free handle was found.")


def _row_of(wanted: SignUp, now: datetime) -> dict[str, object]:
    handle = new_handle(wanted.display_name)
    return {
        "id": new_id(),
        "email": normalised(wanted.email),
        "email_typed": wanted.email.strip(),
        "password_hash": wanted.password_hash,
        "password_changed_at": now,
        # The part before the @ would be the obvious name, but it is private and this one is public.
        "display_name": wanted.display_name or handle,
        "handle": handle,
        "status": ACTIVE,
        "roles": [USER],
        "locale": "en",
        "timezone": "UTC",
        "referral_code": wanted.referral_code,
        "referral_click_id": wanted.referral_click_id,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }


def new_handle(display_name: str | None) -> str:
    """A handle that reads like the name and is free with near certainty."""
    plain = unicodedata.normalize("NFKD", display_name or "").encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain)[:HANDLE_NAME_LENGTH].strip("-") or "creator"
    suffix = "".join(secrets.choice(HANDLE_LETTERS) for _ in range(HANDLE_SUFFIX_LENGTH))
    return f"{name}-{suffix}"


async def resend_verification(session: WriteSession, email: str) -> None:
    """Ask for another confirmation mail, if there is anything to confirm."""
    user = await repository.find_user_by_email(session, normalised(email))
    if user is not None and not user.email_verified:
        await ask_for_mail(session, user.id, "verify")


async def verify_email(session: WriteSession, token: str, *, now: datetime, fingerprint_secret: str) -> UUID:
    """Confirm the address the token was sent to. Raises LinkUsedOrExpired."""
    user_id = await consume_token(session, token, "verify", now)
    user = await repository.lock_user(session, user_id)
    await confirm_address(session, user, now=now, fingerprint_secret=fingerprint_secret)
    return user.id


async def consume_token(session: WriteSession, token: str, purpose: str, now: datetime) -> UUID:
    """Use a one-time token up; deletion decides between parallel uses. Raises LinkUsedOrExpired."""
    used = (
        delete(OneTimeToken)
        .where(OneTimeToken.token_hash == digest(token), OneTimeToken.purpose == purpose, OneTimeToken.expires_at > now)
        .returning(OneTimeToken.user_id)
    )
    user_id = await session.scalar(used)
    if user_id is None:
        raise LinkUsedOrExpired
    return user_id


async def confirm_address(session: WriteSession, user: User, *, now: datetime, fingerprint_secret: str) -> None:
    """The first confirmation makes the user known to the other services; a later one changes nothing."""
    if user.email_verified:
        return
    user.email_verified_at = user.updated_at = now
    user.version += 1
    registered = UserRegistered(
        user_id=user.id,
        handle=user.handle,
        display_name=user.display_name,
        locale=user.locale,
        referral_code=user.referral_code,
        click_id=user.referral_click_id,
        email_fingerprint=fingerprint(user.email, fingerprint_secret),
        registered_at=now,
    )
    await publish(session, registered, sequence=user.version)
    await publish(session, UserEmailChanged(user_id=user.id, email=user.email_typed), sequence=user.version)
