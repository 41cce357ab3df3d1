"""What dead runners leave behind: work folders, and processes whose parents could not take them along."""

import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import orjson

from services.jobs.runner.processes import Identity, boot_id, kill_session, session_members, start_ticks
from shared.logging import get_logger

RUNNER, CHILD = "runner.json", "child.json"

log = get_logger(__name__)


def record_runner(folder: Path, identity: Identity) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / RUNNER).write_bytes(orjson.dumps(identity.as_dict()))


def record_child(folder: Path, pid: int, ticks: int | None) -> None:
    with contextlib.suppress(OSError):
        (folder / CHILD).write_bytes(orjson.dumps({"boot_id": boot_id(), "pid": pid, "start_ticks": ticks}))


def forget(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def sweep(root: Path) -> int:
    """Kill what dead runners of this machine left running, and remove their folders. Returns how many were killed."""
    killed = 0
    for folder in root.iterdir() if root.is_dir() else ():
        runner = _read(folder / RUNNER)
        if runner is None or Identity(**runner).is_alive:
            continue
        killed += sum(_kill_child(_read(record)) for record in folder.glob(f"*/{CHILD}"))
        shutil.rmtree(folder, ignore_errors=True)
    if killed:
        log.warning("orphans_killed", processes=killed)
    return killed


def _kill_child(record: dict[str, Any] | None) -> int:
    """Kill the session of a recorded child, unless its pid now is another's.

    While a member of the session lives the kernel gives its number to nobody else; so a leader with another start
    time means that all of ours are gone.
    """
    if record is None or record["boot_id"] != boot_id():
        return 0
    leader = start_ticks(record["pid"])
    if leader is not None and leader != record["start_ticks"]:
        return 0
    members = session_members(record["pid"])
    if leader is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(record["pid"], signal.SIGKILL)
    kill_session(record["pid"])
    return len(members)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return content
