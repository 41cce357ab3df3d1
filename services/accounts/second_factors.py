"""Codes of a second factor: time-based ones (RFC 6238, as every authenticator app makes them) and recovery codes.

Codes follow wall time, as their owner's phone does, whatever day the domain clock shows.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

ISSUER = "Atelier"
DIGITS, STEP_SECONDS = 6, 30
# RFC 4226 asks for 160 bits; a step to either side forgives a clock that is half a minute off.
SEED_BYTES, STEPS_AROUND = 20, 1
RECOVERY_CODES, RECOVERY_BYTES, GROUP = 10, 16, 4


class SeedUnreadable(Exception):
    """No secret in ACCOUNTS_FACTOR_SECRET decrypts this seed."""


def new_seed() -> bytes:
    return os.urandom(SEED_BYTES)


def written_seed(seed: bytes) -> str:
    """The seed as people type it into an app that can't read the picture."""
    return base64.b32encode(seed).decode()


def enrolment_uri(seed: bytes, account: str) -> str:
    """The `otpauth:` address that an app reads from a QR code."""
    return _totp(seed).get_provisioning_uri(account, ISSUER)


def code_at(seed: bytes, moment: float) -> str:
    """The code of the step that `moment`, in seconds since 1970, lies in."""
    return _totp(seed).generate(moment).decode()


def matching_step(seed: bytes, code: str, moment: float, last_step: int) -> int | None:
    """The step whose code this is, or None. Steps up to `last_step` were used, and a code counts once."""
    now = int(moment) // STEP_SECONDS
    for step in range(now - STEPS_AROUND, now + STEPS_AROUND + 1):
        right = hmac.compare_digest(code_at(seed, step * STEP_SECONDS), code)
        if right and step > last_step:
            return step
    return None


def _totp(seed: bytes) -> TOTP:
    # Authenticator apps know SHA-1 only; as a keyed code it has no known weakness.
    return TOTP(seed, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303


def new_recovery_codes() -> list[str]:
    """Ten codes of 128 bits, in groups that can be read out."""
    return [_grouped(base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode()) for _ in range(RECOVERY_CODES)]


def _grouped(code: str) -> str:
    letters = code.rstrip("=").lower()
    return "-".join(letters[start : start + GROUP] for start in range(0, len(letters), GROUP))


def recovery_digest(code: str) -> bytes:
    """What is stored of a recovery code, however its owner spaced it; 128 random bits need no slow hash."""
    plain = "".join(code.split()).replace("-", "").lower()
    return hashlib.sha256(plain.encode()).digest()


def is_time_code(code: str) -> bool:
    return len(code) == DIGITS and code.isascii() and code.isdigit()


class Seeds:
    """Seeds as they are stored. The first of the given secrets encrypts, and each of them decrypts."""

    def __init__(self, given: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(_key_of(secret)) for secret in given])

    def sealed(self, seed: bytes) -> bytes:
        return self._fernet.encrypt(seed)

    def opened(self, sealed: bytes) -> bytes:
        """Raises SeedUnreadable."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise SeedUnreadable from error


def _key_of(secret: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest())
