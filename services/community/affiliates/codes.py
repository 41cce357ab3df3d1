"""Affiliate codes that people can read aloud, and the cookie that carries one."""

import re
import secrets
from dataclasses import dataclass
from uuid import UUID

# Without 0 and O, 1, I and L: nobody should have to ask which one it was.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LENGTH = 8
CODE = re.compile(f"[{ALPHABET}]{{4,32}}")


@dataclass(frozen=True, slots=True)
class ReferralCookie:
    """`<code>.<click_id>`: which affiliate, and which visit proves it."""

    code: str
    click_id: UUID


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def normalise(code: str) -> str:
    """The code as it is stored: upper case, without the spaces and hyphens people add."""
    return re.sub(r"[\s-]", "", code).upper()


def format_cookie(code: str, click_id: UUID) -> str:
    return f"{code}.{click_id}"


def parse_cookie(value: str) -> ReferralCookie | None:
    """What the cookie says, or None for anything that is not ours."""
    code, _, click = value.partition(".")
    try:
        click_id = UUID(click)
    except ValueError:
        return None
    return ReferralCookie(normalise(code), click_id) if CODE.fullmatch(normalise(code)) else None
