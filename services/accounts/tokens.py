"""Secrets we hand out: how they are made, recognised and remembered. Only their SHA-256 is ever stored."""

import hashlib
import secrets
import string
import zlib

SESSION_PREFIX = "ss_"
KEY_PREFIX = "ak_live_"
KEY_ID_LENGTH, KEY_SECRET_LENGTH, CHECKSUM_LENGTH = 8, 32, 6
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def digest(secret: str) -> bytes:
    """What is stored of a secret with at least 128 random bits; such a secret needs no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def new_session_token() -> str:
    return SESSION_PREFIX + secrets.token_urlsafe(32)


def new_mail_token() -> str:
    return secrets.token_urlsafe(32)


def new_login_token() -> str:
    return secrets.token_urlsafe(32)


def new_device_token() -> str:
    return secrets.token_urlsafe(32)


def new_key_id() -> str:
    return _random(KEY_ID_LENGTH)


def new_key_secret() -> str:
    return _random(KEY_SECRET_LENGTH)


def compose_key(key_id: str, secret: str) -> str:
    """The API key as its owner sees it, with a checksum that lets scanners and us tell a real key offline."""
    body = f"{KEY_PREFIX}{key_id}{secret}"
    return body + _checksum(body)


def split_key(key: str) -> tuple[str, str] | None:
    """The id and the secret of a well-formed API key, or None."""
    body, checksum = key[:-CHECKSUM_LENGTH], key[-CHECKSUM_LENGTH:]
    length = len(KEY_PREFIX) + KEY_ID_LENGTH + KEY_SECRET_LENGTH
    if len(body) != length or not key.isascii() or not secrets.compare_digest(checksum, _checksum(body)):
        return None
    rest = body.removeprefix(KEY_PREFIX)
    return rest[:KEY_ID_LENGTH], rest[KEY_ID_LENGTH:]


def _checksum(body: str) -> str:
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_BASE62))
        text = _BASE62[digit] + text
    return text


def _random(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))
