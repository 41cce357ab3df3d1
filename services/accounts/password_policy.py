"""Which passwords are accepted (ASVS 5.0, 6.2.1 to 6.2.12): length and strangeness, no composition rules.

The list of common passwords is the part of zxcvbn's frequency list (MIT) that is long enough to pass here.
"""

from functools import cache
from pathlib import Path

from services.accounts.errors import PasswordRefused

SHORTEST_BYTES, LONGEST_BYTES = 8, 256
PRODUCT = "atelier"
# A name and a few characters around it are not a password.
STRANGE_CHARACTERS = 4
LONGEST_IGNORED_NAME = 3


def check_password(password: str, *, email: str, field: str = "password") -> None:
    """Raises PasswordRefused, which says why. The password is taken exactly as typed."""
    length = len(password.encode())
    if length < SHORTEST_BYTES:
        raise PasswordRefused(field, "too_short", f"Use at least {SHORTEST_BYTES} characters.")
    if length > LONGEST_BYTES:
        raise PasswordRefused(field, "too_long", f"Use at most {LONGEST_BYTES} bytes.")
    if password.casefold() in _common_passwords():
        raise PasswordRefused(field, "too_common", "This password is on every attacker's list.")
    if _is_mostly_known(password.casefold(), email.casefold()):
        raise PasswordRefused(field, "too_guessable", "Your address or our name is not a password.")


def _is_mostly_known(password: str, email: str) -> bool:
    rest = password
    for word in (email, email.split("@", maxsplit=1)[0], PRODUCT):
        if len(word) > LONGEST_IGNORED_NAME:
            rest = rest.replace(word, "")
    return rest != password and len(rest) < STRANGE_CHARACTERS


@cache
def _common_passwords() -> frozenset[str]:
    path = Path(__file__).with_name("common_passwords.txt")
    return frozenset(path.read_text(encoding="utf-8").split("\n"))
