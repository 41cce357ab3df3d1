"""Mail out: kept in the data folder locally, SMTP in production. Only accounts sends; others ask by event."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

import aiosmtplib
import orjson

from shared.ids import new_id


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    text: str
    links: tuple[str, ...] = ()


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Hand the mail over. Raises when it was not accepted, so that the event is retried."""
        ...


class FolderMailer:
    """One JSON file a mail; the front door shows them at `/dev/mail`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, mail: Mail) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        mail_id = str(new_id())
        draft = self._folder / f".{mail_id}"
        fields = {"id": mail_id, **asdict(mail), "sent_at": datetime.now(UTC).isoformat()}
        draft.write_bytes(orjson.dumps(fields))
        draft.replace(self._folder / f"{mail_id}.json")


class SmtpMailer:
    """`tls` means TLS from the first byte; otherwise STARTTLS is used when the server offers it."""

    def __init__(self, host: str, port: int, *, username: str, password: str, sender: str, tls: bool) -> None:
        self._connection = {"hostname": host, "port": port, "username": username or None, "password": password or None}
        self._sender, self._tls = sender, tls

    async def send(self, mail: Mail) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, mail.to, mail.subject
        message.set_content(mail.text)
        await aiosmtplib.send(message, use_tls=self._tls, timeout=15, **self._connection)  # type: ignore[arg-type]
