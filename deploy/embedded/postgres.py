"""A private Postgres: made on first start, ended with its parent, found again by the next start."""

import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from deploy.embedded.postgres_cluster import HOST, SUPERUSER, Cluster
from deploy.embedded.postgres_programs import Account, PostgresUnavailable, find_programs
from deploy.embedded.processes import exclusive, is_running, require_main_thread, send, wait_until

__all__ = ["Account", "PostgresServer", "PostgresUnavailable", "start_postgres"]

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
DEFAULT_SETTINGS = {
    "max_connections": "300",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Without the details of an error, which quote rows: addresses and hashes don't belong in the server's log.
    "log_error_verbosity": "terse",
}
UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class PostgresServer:
    """A running server. It ends with the process that started it; `attached` tells that this was another one."""

    host: str
    port: int
    password: str = field(repr=False)
    data: Path
    pid: int
    attached: bool = False
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """Return a libpq URL; without a password it is the superuser's."""
        secret = quote(self.password if password is None else password, safe="")
        return f"postgresql://{quote(user, safe='')}:{secret}@{self.host}:{self.port}/{quote(database, safe='')}"

    def stop(self) -> None:
        """End the server, also an attached one: cut connections, write a checkpoint, return when it is gone."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if not self.is_running():
                return
            send(self.pid, number)
            wait_until(lambda: not self.is_running(), STOP_SECONDS)

    def is_running(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return is_running(self.pid, self.data)


def start_postgres(
    folder: Path,
    *,
    fast_unsafe: bool = False,
    settings: Mapping[str, str] = NO_SETTINGS,
    account: Account | None = None,
) -> PostgresServer:
    """Start the server whose files live in `folder`, or attach to it when it already runs.

    `fast_unsafe` gives up durability for speed and is for data that may be lost. `settings` go to the server as `-c`
    and have no effect on attaching. `account` overrides how the programs run. Raises PostgresUnavailable.
    """
    require_main_thread()
    cluster = Cluster(folder.absolute())
    cluster.make_folder()
    with exclusive(cluster.lock):
        if pid := cluster.running_pid():
            return PostgresServer(HOST, cluster.recorded_port(), cluster.password(), cluster.data, pid, attached=True)
        programs = find_programs(account)
        cluster.initialise(programs, durable=not fast_unsafe)
        unsafe = UNSAFE_SETTINGS if fast_unsafe else {}
        process = cluster.start(programs, {**DEFAULT_SETTINGS, **unsafe, **settings})
        return PostgresServer(
            HOST, cluster.recorded_port(), cluster.password(), cluster.data, process.pid, _process=process
        )
