"""Who a process is and who descends from it, from /proc. A pid alone is nobody: pids come round again."""

import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")
PR_SET_PDEATHSIG = 1
# Fields of /proc/<pid>/stat behind the command's name, which may hold spaces and brackets itself.
_SESSION, _START_TICKS = 3, 19


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one boot of one machine; `start_ticks` are clock ticks since that boot."""

    host: str
    boot_id: str
    pid: int
    start_ticks: int

    @property
    def is_alive(self) -> bool:
        """Whether exactly this process still runs. Only its own machine can tell."""
        return self.boot_id == boot_id() and start_ticks(self.pid) == self.start_ticks

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def identify(pid: int) -> Identity:
    return Identity(socket.gethostname(), boot_id(), pid, start_ticks(pid) or 0)


def boot_id() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def start_ticks(pid: int) -> int | None:
    """When the process started, or None when there is no such process. A zombie has ended and counts as none."""
    fields = _stat(pid)
    return int(fields[_START_TICKS]) if fields and fields[0] != "Z" else None


def session_members(session: int) -> list[int]:
    """Every living process of the session, whatever its parent is now."""
    found = ((pid, _stat(pid)) for pid in _pids())
    return [pid for pid, fields in found if fields and fields[0] != "Z" and int(fields[_SESSION]) == session]


def kill_session(session: int) -> int:
    """SIGKILL what is left of a session; returns how many processes that were."""
    members = session_members(session)
    for pid in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(members)


def die_with_parent(signum: int) -> None:
    """Ask the kernel to send us `signum` when our parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)


def _pids() -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _stat(pid: int) -> list[str] | None:
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
