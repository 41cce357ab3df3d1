"""What endpoints of accounts take: the runtime, where a request comes from, and sessions that revoke."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from services.accounts.addresses import network_of, valid_ip
from services.accounts.parts import Parts
from services.accounts.revocation import revoking
from services.accounts.settings import AccountsSettings, LimitName
from services.accounts.tokens import digest
from services.accounts.usecases import Device
from shared import rate_limits
from shared.database import WriteSession
from shared.errors import RateLimited
from shared.runtime import Runtime


async def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


@dataclass(frozen=True, slots=True)
class Accounts:
    """What most endpoints need of the runtime, typed."""

    runtime: Runtime

    @property
    def parts(self) -> Parts:
        parts: Parts = self.runtime.parts
        return parts

    @property
    def settings(self) -> AccountsSettings:
        return self.parts.settings

    @property
    def now(self) -> datetime:
        return self.runtime.clock.now()

    def revoking(self) -> AbstractAsyncContextManager[WriteSession]:
        """A write session for endpoints that hash first: no transaction should wait for a hash."""
        return revoking(self.runtime)

    async def limit(self, detail: str, **keys: str) -> None:
        """Count one hit under each named rule. Raises RateLimited with `detail`."""
        async with self.runtime.database.pool.connection() as connection:
            for name, key in keys.items():
                rule = self.settings.rule(_limit_name(name))
                await rate_limits.enforce(connection, f"{name}:{key}", rule, detail)

    async def within(self, name: LimitName, key: str) -> bool:
        """Count one hit and tell whether it passed, for limits that must not show."""
        try:
            await self.limit("", **{name: key})
        except RateLimited:
            return False
        return True


def _limit_name(name: str) -> LimitName:
    return name  # type: ignore[return-value]


async def _accounts(runtime: Annotated[Runtime, Depends(_runtime)]) -> Accounts:
    return Accounts(runtime)


async def _revoking_session(request: Request) -> AsyncIterator[WriteSession]:
    async with revoking(request.app.state.runtime) as session:
        yield session


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from."""

    device: Device
    network: str


async def _origin(request: Request) -> Origin:
    ip = request.client.host if request.client else ""
    settings: AccountsSettings = request.app.state.runtime.settings
    token = request.cookies.get(settings.device_cookie_name)
    return Origin(Device(valid_ip(ip), request.headers.get("user-agent", ""), token), network_of(ip))


InAccounts = Annotated[Accounts, Depends(_accounts)]
From = Annotated[Origin, Depends(_origin)]
# After its commit this process forgets what the request revoked, before the answer leaves.
Revoking = Annotated[WriteSession, Depends(_revoking_session, scope="function")]


def account_key(email: str) -> str:
    """The address in a rate limit's key: counted, but not readable from the table."""
    return digest(email).hex()[:32]


class QuietPace:
    """Holds an answer back until a fixed time after the request, so that its haste tells nothing about an address."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    async def keep(self) -> None:
        await asyncio.sleep(max(0.0, self._until - time.monotonic()))
