"""Runners as processes of their own, to be killed."""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def runner_process(svc, tmp_path):
    """A runner on the service's database and files that has begun to claim; killed at the end of the block."""
    folder = str(svc.runtime.storage.folder)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.job_runner"),
        *(svc.runtime.database.url, folder, str(tmp_path / "work")),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"running\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
