"""Passwords at rest: argon2id in threads, bounded, because each hash takes 19 MiB and 18 ms of a core."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.accounts.settings import AccountsSettings
from shared.errors import Unavailable

BCRYPT_PREFIXES = ("$2a$", "$2b$", "$2y$")
# bcrypt never looked further; imported hashes were made this way.
BCRYPT_BYTES = 72

Result = TypeVar("Result")


class Hasher:
    """Hashes and checks passwords without holding up the event loop.

    At most `hash_threads` run at once; who waits longer than `hash_wait_seconds` gets Unavailable, so that a flood of
    logins costs its senders their answers instead of costing us our memory.
    """

    def __init__(self, settings: AccountsSettings) -> None:
        threads = settings.hash_threads or os.cpu_count() or 1
        self._argon2 = PasswordHasher(
            time_cost=settings.argon2_time_cost, memory_cost=settings.argon2_memory_kib, parallelism=1
        )
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="hash")
        self._slots, self._wait_seconds = asyncio.Semaphore(threads), settings.hash_wait_seconds
        # What a password is checked against when there is no user: the answer must take as long as a wrong password.
        self._nobody = self._argon2.hash(os.urandom(16).hex())

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._argon2.hash(password))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password fits the hash (argon2 or imported bcrypt); None takes its time and is False."""
        fits = await self._run(lambda: self._fits(password, stored or self._nobody))
        return fits and stored is not None

    async def renewed(self, password: str, stored: str) -> str | None:
        """A hash by today's algorithm and parameters, or None when the stored one is that already."""
        if stored.startswith(BCRYPT_PREFIXES) or self._argon2.check_needs_rehash(stored):
            return await self.hash(password)
        return None

    def _fits(self, password: str, stored: str) -> bool:
        if stored.startswith(BCRYPT_PREFIXES):
            return bcrypt.checkpw(password.encode()[:BCRYPT_BYTES], stored.encode())
        try:
            return self._argon2.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise Unavailable("Too many sign-ins at once.") from error
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._slots.release()
