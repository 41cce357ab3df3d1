"""Owners of embedded servers: as whoever runs the tests and, when that is root, as an ordinary user too."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from deploy.embedded.postgres_programs import Account, find_programs
from deploy.embedded.processes import is_running, wait_until

ROOT = Path(__file__).resolve().parents[2]
OWNER = Path(__file__).with_name("owner.py")


@dataclass
class Owner:
    """A child process with its server; `error` is what it said when there is none."""

    process: subprocess.Popen[str]
    pid: int = 0
    url: str = ""
    attached: bool = False
    error: str = ""

    def heard(self) -> Self:
        """Wait for the owner's one line of report."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the owner ended without a word"
        for name, value in json.loads(line).items():
            setattr(self, name, value)
        return self

    def stop(self) -> None:
        self.process.communicate("stop\n", timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@dataclass
class Stage:
    """A folder for servers that `uid` may use; None is whoever runs the tests."""

    folder: Path
    uid: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    owners: list[Owner] = field(default_factory=list)

    def launch(self, kind: str, name: str = "server", *options: str) -> Owner:
        environment = {name: value for name, value in os.environ.items() if name != "AMQP_URL"}
        environment["PYTHONPATH"] = str(ROOT)
        user = [] if self.uid is None else ["--uid", str(self.uid)]
        process = subprocess.Popen(
            [sys.executable, str(OWNER), kind, str(self.folder / name), *user, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment | self.environment,
        )
        self.owners.append(Owner(process))
        return self.owners[-1]

    def own(self, kind: str, name: str = "server", *options: str) -> Owner:
        """Return when the server answers, or when the child has said why there is none."""
        return self.launch(kind, name, *options).heard()

    def close(self) -> None:
        for owner in self.owners:
            if owner.process.poll() is None:
                owner.stop()
            owner.process.communicate()


def has_left(pid: int, folder: Path, seconds: float = 20) -> bool:
    return wait_until(lambda: not is_running(pid, folder), seconds)


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def working_in(folder: Path) -> list[int]:
    """All live processes that work anywhere below a folder, whatever their name."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink().is_relative_to(folder) and "Z" not in state_of(entry):
                found.append(int(entry.name))
    return found


def state_of(entry: Path) -> str:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0]


def listening_addresses(pids: list[int]) -> set[str]:
    """The local addresses, in the kernel's hexadecimal, on which these processes accept TCP connections."""
    sockets = {link for pid in pids for link in open_files(pid) if link.startswith("socket:")}
    tables = (Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6"))
    rows = (line.split() for table in tables for line in table)
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


def open_files(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            yield str(descriptor.readlink())


def prepared(folder: Path, uid: int | None) -> Stage:
    if uid is None:
        return Stage(folder)
    os.chown(folder, uid, uid)
    # The other user may be unable to reach the environment's own programs; this finds or makes a public copy.
    programs = find_programs(Account(uid=uid)).folder
    return Stage(folder, uid, {"PG_BIN": str(programs)})
