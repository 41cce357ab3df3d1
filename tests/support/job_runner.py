"""A runner as a process of its own, to be killed: `python -m tests.support.job_runner DATABASE_URL FILES WORK`."""

import asyncio
import signal
import sys
from pathlib import Path

import httpx

from services.jobs.app import service
from shared.clock import SystemClock
from shared.database import Database
from shared.events.testing import SilentTransport
from shared.logging import configure_logging
from shared.mail import FolderMailer
from shared.runtime import Runtime
from shared.service import running
from shared.storage import open_storage
from tests.support.callers import TestKeys
from tests.support.jobs import FAST
from tests.support.services import PUBLIC_URL, SIGNING_SECRET


async def main(url: str, files: str, work: str) -> None:
    clock = SystemClock()
    values = {"database_url": url, "public_url": PUBLIC_URL, "signing_secret": SIGNING_SECRET}
    async with httpx.AsyncClient() as http:
        runtime = Runtime(
            service=service.name,
            settings=service.settings(**values, **FAST, work_folder=work),
            database=Database(url, service=service.name, clock=clock),
            transport=SilentTransport(),
            http=http,
            clock=clock,
            storage=open_storage(files, public_url=PUBLIC_URL, secret=SIGNING_SECRET),
            mailer=FolderMailer(Path(files) / "mail"),
            keys=TestKeys(),
            roles=frozenset({"runner"}),
        )
        asked = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
        async with running(service, runtime):
            sys.stdout.write("running\n")
            sys.stdout.flush()
            await asked.wait()


if __name__ == "__main__":
    configure_logging(level="CRITICAL")
    asyncio.run(main(*sys.argv[1:4]))
