"""What accounts does by time."""

from datetime import timedelta

from services.accounts import usecases
from services.accounts.parts import Parts
from services.accounts.revocation import revoking
from services.accounts.usecases import deletion
from shared.logging import get_logger
from shared.runtime import Runtime

log = get_logger(__name__)


async def write_key_use(runtime: Runtime) -> None:
    parts: Parts = runtime.parts
    await parts.key_use.write(runtime.database)


async def rotate_signing_keys(runtime: Runtime) -> None:
    """Start signing with the next key once the current one is old. Wall time: keys guard the present."""
    parts: Parts = runtime.parts
    parts.keys.rotate_if_older(timedelta(days=parts.settings.key_rotation_days))


async def follow_deletions(runtime: Runtime) -> None:
    """Begin what has waited its days of grace, and finish what some service does not confirm."""
    parts: Parts = runtime.parts
    now = runtime.clock.now()
    async with revoking(runtime) as session:
        await deletion.begin_due(session, now=now)
    async with runtime.database.write() as session:
        for request in await deletion.finish_late(session, now=now, deadline=parts.settings.deletion_deadline):
            log.error("user_not_erased_everywhere", request=str(request.id))


async def prune(runtime: Runtime) -> None:
    parts: Parts = runtime.parts
    async with runtime.database.write() as session:
        await usecases.prune(session, now=runtime.clock.now(), settings=parts.settings)
