"""Asking for mails and sending them: each once per dedupe key, with the one-time token made at the last moment."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import update

from services.accounts.mail_templates import TEMPLATES, Purpose, Template, facts_of, written
from services.accounts.models import Mail as MailRow
from services.accounts.settings import AccountsSettings
from services.accounts.tokens import digest, new_mail_token
from shared.contracts.common import MailRequested
from shared.database import Database, WriteSession
from shared.events.outbox import publish
from shared.ids import new_id
from shared.mail import Mail

if TYPE_CHECKING:
    from collections.abc import Mapping

_RECIPIENT = "SELECT email_typed, display_name, email_verified_at FROM users WHERE id = %(user_id)s"
_BEGIN = """
    WITH asked AS (
        INSERT INTO mails AS m (dedupe_key, user_id, template, requested_at)
        VALUES (%(dedupe_key)s, %(user_id)s, %(template)s, %(now)s)
        ON CONFLICT (dedupe_key) DO UPDATE SET requested_at = m.requested_at RETURNING m.sent_at
    ), token AS (
        INSERT INTO one_time_tokens (token_hash, user_id, purpose, expires_at)
        SELECT %(token_hash)s, %(user_id)s, %(purpose)s, %(expires_at)s FROM asked
         WHERE sent_at IS NULL AND %(token_hash)s::bytea IS NOT NULL
    )
    SELECT sent_at FROM asked
"""


async def ask_for_mail(session: WriteSession, user_id: UUID, template: str, **params: str | int) -> None:
    """A new wish each time; whoever must not repeat a mail publishes MailRequested with a key of their own."""
    wish = MailRequested(
        template=template, user_id=user_id, params=params, dedupe_key=f"{template}-{user_id}-{new_id()}"
    )
    await publish(session, wish, sequence=1)


@dataclass(frozen=True, slots=True)
class Recipient:
    address: str
    name: str
    is_verified: bool


async def find_recipient(database: Database, user_id: UUID) -> Recipient | None:
    async with database.pool.connection() as connection:
        row = await (await connection.execute(_RECIPIENT, {"user_id": user_id})).fetchone()
    if row is None:
        return None
    return Recipient(row["email_typed"], row["display_name"], row["email_verified_at"] is not None)


async def begin_mail(
    database: Database, wish: MailRequested, recipient: Recipient, settings: AccountsSettings, now: datetime
) -> Mail | None:
    """Write the mail and commit its token, before it is sent. None when it was sent already.

    A crash between sending and `finish_mail` sends it again with a new token: mail can't do better than at least once.
    """
    template = TEMPLATES[wish.template]
    token = new_mail_token() if template.purpose else None
    minutes = minutes_of(template.purpose, settings)
    values = {
        "dedupe_key": wish.dedupe_key,
        "user_id": wish.user_id,
        "template": wish.template,
        "now": now,
        "token_hash": digest(token) if token else None,
        "purpose": template.purpose,
        "expires_at": now + timedelta(minutes=minutes),
    }
    async with database.pool.connection() as connection:
        row = await (await connection.execute(_BEGIN, values)).fetchone()
    if row is not None and row["sent_at"] is not None:
        return None
    link = _link(template, token, settings.public_url)
    facts = {"name": recipient.name, "minutes": str(minutes), "link": link or "", **facts_of(wish.params)}
    return _mail(template, recipient, facts, link)


async def finish_mail(session: WriteSession, dedupe_key: str, now: datetime) -> None:
    await session.execute(update(MailRow).where(MailRow.dedupe_key == dedupe_key).values(sent_at=now))


def minutes_of(purpose: Purpose | None, settings: AccountsSettings) -> int:
    """How long a link of this purpose works."""
    return settings.reset_minutes if purpose == "reset" else settings.verify_minutes


def _link(template: Template, token: str | None, public_url: str) -> str | None:
    if template.page is None:
        return None
    return f"{public_url.rstrip('/')}{template.page}" + (f"?token={token}" if token else "")


def _mail(template: Template, recipient: Recipient, facts: "Mapping[str, str]", link: str | None) -> Mail:
    subject, text = written(template, facts)
    return Mail(recipient.address, subject, text, (link,) if link else ())
