"""Installing behind a platform that serves already."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from services.jobs.engines import extras


@contextmanager
def installing_behind() -> Iterator[None]:
    """Fetch the engines' packages beside the block, when they are missing. What is not done at its end waits for the
    next start: the folder changes all at once or not at all."""
    if extras.is_ready():
        yield
        return
    command = [sys.executable, "-m", "deploy.cli", "engines", "install"]
    # A session of its own: Ctrl-C is for the platform, which then ends this one.
    process = subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            # The installer has started another one, which must not go on without it.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
