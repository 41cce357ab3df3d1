"""What accounts keeps for its life: hash threads, signing keys, and what `/_verify` remembers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.accounts.budgets import Budgets
from services.accounts.credentials import Credentials
from services.accounts.hashing import Hasher
from services.accounts.key_use import KeyUse
from services.accounts.revocation import listen_for_revocations
from services.accounts.second_factors import Seeds
from services.accounts.settings import AccountsSettings
from services.accounts.signing_keys import SigningKeys
from shared.runtime import Runtime


@dataclass(slots=True)
class Parts:
    settings: AccountsSettings
    hasher: Hasher
    keys: SigningKeys
    seeds: Seeds
    principals: Budgets
    bad_credentials: Budgets
    credentials: Credentials = field(default_factory=Credentials)
    key_use: KeyUse = field(default_factory=KeyUse)


@asynccontextmanager
async def open_parts(runtime: Runtime) -> AsyncIterator[Parts]:
    settings = runtime.settings
    assert isinstance(settings, AccountsSettings)
    refused = settings.bad_credentials
    parts = Parts(
        settings=settings,
        hasher=Hasher(settings),
        keys=SigningKeys(settings.keys_path),
        seeds=Seeds(settings.factor_secrets),
        principals=Budgets(burst=settings.burst, per_second=settings.principal_per_second),
        bad_credentials=Budgets(burst=refused, per_second=refused / 60),
    )
    listener = asyncio.create_task(listen_for_revocations(runtime.database.url, parts.credentials))
    try:
        yield parts
    finally:
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener
        await parts.key_use.write(runtime.database)
        parts.hasher.close()
