"""What accounts does by time."""

from datetime import timedelta

from services.accounts import usecases
from services.accounts.parts import Parts
from shared.runtime import Runtime


async def write_key_use(runtime: Runtime) -> None:
    parts: Parts = runtime.parts
    await parts.key_use.write(runtime.database)


async def rotate_signing_keys(runtime: Runtime) -> None:
    """Start signing with the next key once the current one is old. Wall time: keys guard the present."""
    parts: Parts = runtime.parts
    parts.keys.rotate_if_older(timedelta(days=parts.settings.key_rotation_days))


async def prune(runtime: Runtime) -> None:
    parts: Parts = runtime.parts
    async with runtime.database.write() as session:
        await usecases.prune(session, now=runtime.clock.now(), settings=parts.settings)
