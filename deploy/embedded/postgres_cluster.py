"""The files of a private Postgres and what is done with them: make, start, recognise, clear after a kill."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.embedded.postgres_programs import Account, PostgresUnavailable, Programs
from deploy.embedded.processes import die_with_parent, end_orphans, free_port, is_running, same_port, wait_until

HOST = "127.0.0.1"
SUPERUSER = "postgres"
# Crash recovery of a large write-ahead log is the slow case; an ordinary start takes 0.03 s.
START_SECONDS = 120.0
# Orphans leave at once, except one that computes without ever waiting for anything.
ORPHAN_SECONDS = 3.0
LARGEST_LOG_BYTES = 20_000_000
PORT_TRIES = 3
# Before this version C.UTF-8 is the C library's own; it sorts the same.
BUILTIN_LOCALE_SINCE = 17
PID_FILE_LINES = 8
# Without this every role could enter the maintenance databases and look from there at the names of the others.
CLOSE_MAINTENANCE_DATABASES = (
    "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;\nREVOKE CONNECT ON DATABASE template1 FROM PUBLIC;\n"
)


@dataclass(frozen=True)
class Cluster:
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    def password(self) -> str:
        return (self.folder / "password").read_text()

    def make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.lock.touch(mode=0o600)
        except OSError as error:
            raise PostgresUnavailable(
                f"cannot write to {self.folder} ({error.strerror}): run as its owner, "
                "or set ATELIER_HOME to a folder of your own"
            ) from error

    def running_pid(self) -> int | None:
        """Return the pid of the server on these files, waiting for one that is just starting or stopping."""
        pid = self._recorded_pid()
        if pid is None or not is_running(pid, self.data):
            return None
        wait_until(lambda: self._is_ready(pid) or not is_running(pid, self.data), START_SECONDS)
        return pid if is_running(pid, self.data) else None

    def recorded_port(self) -> int:
        return int(self._pid_file_lines()[3])

    def initialise(self, programs: Programs, *, durable: bool) -> None:
        """Make the cluster aside and rename it, so that a killed first start leaves nothing that looks complete."""
        if self.data.exists():
            self._check_version(programs)
            self._hand_to(programs.account)
            return
        for remains in self.folder.glob("data.*"):
            shutil.rmtree(remains, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix="data.", dir=self.folder))
        self._write_password()
        self._hand_to(programs.account)
        self._initdb(programs, unfinished, durable=durable)
        _run(programs, "postgres", "--single", "-D", str(unfinished), "postgres", given=CLOSE_MAINTENANCE_DATABASES)
        unfinished.rename(self.data)

    def start(self, programs: Programs, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self._clear_remains()
        for _ in range(PORT_TRIES):
            process = self._launch(programs, settings)
            if self._becomes_ready(process):
                (self.folder / "port").write_text(str(self.recorded_port()))
                return process
            if "could not bind" not in self._log_tail():
                break
        raise PostgresUnavailable(f"PostgreSQL did not start; {self.log} ends with:\n{self._log_tail()}")

    def _launch(self, programs: Programs, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Run `postgres` itself: with `pg_ctl` between us and it the parent-death signal would be lost."""
        given = {"port": str(self._choose_port()), "listen_addresses": HOST, "unix_socket_directories": "", **settings}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with self._open_log() as log:
            return subprocess.Popen(
                programs.command("postgres", "-D", str(self.data), *options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data,
                env=_environment(),
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT),
                **programs.account.options(),
            )

    def _becomes_ready(self, process: subprocess.Popen[bytes]) -> bool:
        wait_until(lambda: process.poll() is not None or self._is_ready(process.pid), START_SECONDS)
        if self._is_ready(process.pid) and process.poll() is None:
            return True
        process.kill()
        process.wait()
        return False

    def _choose_port(self) -> int:
        """Keep the last port where possible, so that clients which were connected find the server again."""
        try:
            return same_port(int((self.folder / "port").read_text()))
        except (FileNotFoundError, ValueError):
            return free_port()

    def _clear_remains(self) -> None:
        """Make sure no process of a killed server still writes, then drop its pid file.

        PostgreSQL would refuse to start while another program, or a zombie, has the recorded number.
        """
        end_orphans(self.data, {"postgres"}, ORPHAN_SECONDS)
        self.pid_file.unlink(missing_ok=True)

    def _initdb(self, programs: Programs, target: Path, *, durable: bool) -> None:
        provider = ("--locale-provider=builtin",) if programs.major >= BUILTIN_LOCALE_SINCE else ()
        durability = () if durable else ("--no-sync",)
        secret = f"--pwfile={self.folder / 'password'}"
        options = ("-U", SUPERUSER, "-A", "scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions")
        _run(programs, "initdb", "-D", str(target), secret, *options, *provider, *durability)

    def _write_password(self) -> None:
        path = self.folder / "password"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_urlsafe(24))

    def _hand_to(self, account: Account) -> None:
        """Give the files to the account that runs the server: it insists on owning them."""
        if os.geteuid() != 0:
            return
        owner = account.uid or 0
        if account.uid is not None:
            self._require_reachable(account)
        if all(path.stat().st_uid == owner for path in (self.folder, *self.folder.iterdir())):
            return
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, owner, owner, follow_symlinks=False)

    def _require_reachable(self, account: Account) -> None:
        probe = subprocess.run(["test", "-x", str(self.folder.parent)], check=False, **account.options())
        if probe.returncode != 0:
            raise PostgresUnavailable(
                f"user namespaces are refused here, so PostgreSQL runs as user {account.uid}, who cannot reach "
                f"{self.folder}: set ATELIER_HOME to a folder that others may enter, such as /var/lib/atelier, "
                "or run as an ordinary user"
            )

    def _check_version(self, programs: Programs) -> None:
        made_by = int((self.data / "PG_VERSION").read_text())
        if made_by != programs.major:
            raise PostgresUnavailable(
                f"{self.data} was made by PostgreSQL {made_by} and {programs.folder} holds {programs.version}: "
                f"set PG_BIN to programs of version {made_by}, or move the folder away to start empty"
            )

    def _is_ready(self, pid: int) -> bool:
        lines = self._pid_file_lines()
        return len(lines) == PID_FILE_LINES and lines[0] == str(pid) and lines[-1].strip() == "ready"

    def _recorded_pid(self) -> int | None:
        lines = self._pid_file_lines()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def _pid_file_lines(self) -> list[str]:
        try:
            return self.pid_file.read_text().splitlines()
        except FileNotFoundError:
            return []

    def _open_log(self) -> IO[bytes]:
        too_long = self.log.exists() and self.log.stat().st_size > LARGEST_LOG_BYTES
        return self.log.open("wb" if too_long else "ab")

    def _log_tail(self) -> str:
        return self.log.read_bytes()[-2000:].decode(errors="replace")


def _run(programs: Programs, name: str, *arguments: str, given: str = "") -> None:
    done = subprocess.run(
        programs.command(name, *arguments),
        input=given,
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
        preexec_fn=die_with_parent(signal.SIGKILL),
        **programs.account.options(),
    )
    if done.returncode != 0:
        raise PostgresUnavailable(f"{name} failed: {(done.stderr or done.stdout).strip()[-2000:]}")


def _environment() -> dict[str, str]:
    """Leave out PGDATA, PGPORT and the like, which belong to somebody else's server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
