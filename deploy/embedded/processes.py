"""What the embedded servers need from the operating system: ports, locks, parent-death signals, and who still runs."""

import ctypes
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.02
KILLED_SECONDS = 5.0
# A killed server's last thread closes its sockets after the process looks gone.
CLOSING_SECONDS = 2.0
# Linux hands out 32768 and up to outgoing connections, macOS 49152 and up.
SERVER_PORTS = range(15000, 32768)

_given: set[int] = set()


def free_port() -> int:
    """Return a port that this process has not been given before.

    It lies below those that outgoing connections get, so that a server that restarts finds it free again.
    """
    while (port := secrets.choice(SERVER_PORTS)) in _given or not port_is_free(port):
        pass
    _given.add(port)
    return port


def same_port(last: int) -> int:
    """Return the port of the last run, where clients look for the server, or a free one when another program keeps it.

    0 stands for no last run.
    """
    return last if last and wait_until(lambda: port_is_free(last), CLOSING_SECONDS) else free_port()


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold the lock file; a second process that starts the same server waits here and then finds it running."""
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def require_main_thread() -> None:
    """The parent-death signal comes when the forking thread ends, so a worker thread's server would die early."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start embedded servers from the main thread: they end with the thread that started them")


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a `preexec_fn` that has the kernel signal the child when this process ends; None where none can."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def set_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            # The parent died between fork and prctl, so the signal will never come.
            os._exit(1)

    return set_death_signal


def is_running(pid: int, folder: Path) -> bool:
    """Tell whether `pid` is alive and works in `folder`; a zombie, or a stranger that got the number, is not running.

    The working directory is the proof of identity: both servers keep theirs in the folder that belongs to them, and a
    zombie has none any more.
    """
    if not Path("/proc/self/cwd").exists():
        return is_running_by_ps(pid, folder)
    return _works_in(pid, folder)


def is_running_by_ps(pid: int, folder: Path) -> bool:
    """Identify a process without `/proc`, as on macOS, by the folder in its command line."""
    shown = subprocess.run(
        ["ps", "-ww", "-p", str(pid), "-o", "stat=", "-o", "command="], capture_output=True, text=True, check=False
    )
    return not shown.stdout.startswith("Z") and str(folder) in shown.stdout


def running_in(folder: Path, names: Collection[str]) -> list[int]:
    """List the live processes with one of these short names that work in `folder`: orphans of a killed server."""
    pids = (int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
    return [pid for pid in pids if _works_in(pid, folder) and _short_name(pid) in names]


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end_orphans(folder: Path, names: Collection[str], patience: float) -> None:
    """Wait for what a killed server left behind, and kill what is still there after `patience` seconds."""
    if wait_until(lambda: not running_in(folder, names), patience):
        return
    for pid in running_in(folder, names):
        send(pid, signal.SIGKILL)
    wait_until(lambda: not running_in(folder, names), KILLED_SECONDS)


def send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _short_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False
