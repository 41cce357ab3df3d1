"""A private RabbitMQ: own folder, own cookie, loopback only, no epmd, gone with the process that started it."""

import os
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.embedded.processes import (
    die_with_parent,
    end_orphans,
    exclusive,
    is_running,
    require_main_thread,
    send,
    wait_until,
)
from deploy.embedded.rabbitmq_node import HOST, USER, NodeFiles, NodeState, next_state
from deploy.embedded.rabbitmq_programs import RabbitPrograms, RabbitUnavailable, find_programs

__all__ = ["RabbitServer", "RabbitUnavailable", "start_rabbitmq"]

AMQP_GREETING = b"AMQP\x00\x00\x09\x01"
# About 5 s on an idle machine; two cores under a whole test run need far longer.
START_SECONDS = 120.0
# The management plugin takes 5 s to drain its listeners.
STOP_SECONDS = 30.0
ORPHAN_SECONDS = 10.0
# As the kernel cuts them, at 15 characters.
PROCESS_NAMES = frozenset({"rabbitmq-server", "beam.smp", "erl_child_setup", "inet_gethost"})


@dataclass(frozen=True)
class RabbitServer:
    """A broker and how to end it. `pid` is None when AMQP_URL named one, which is then left alone."""

    url: str = field(repr=False)
    pid: int | None = None
    management_url: str | None = None
    attached: bool = False
    _files: NodeFiles | None = field(default=None, repr=False, compare=False)
    _programs: RabbitPrograms | None = field(default=None, repr=False, compare=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    def stop(self) -> None:
        """Shut the node down in order: 1 s, or 6 s with management."""
        if self.pid is not None and self.is_running():
            send(self.pid, signal.SIGTERM)
            wait_until(lambda: not self.is_running(), STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the node at once, as a power cut would: what was confirmed is on disk, nothing else is promised."""
        if self.pid is None or self._files is None:
            return
        if self.is_running():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        end_orphans(self._files.folder, PROCESS_NAMES, patience=0)

    def is_running(self) -> bool:
        if self.pid is None or self._files is None:
            return True
        if self._process is not None:
            return self._process.poll() is None
        return is_running(self.pid, self._files.folder)

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` against this node and return what it prints."""
        state = self._files.state() if self._files else None
        if self._files is None or self._programs is None or state is None:
            raise RabbitUnavailable("rabbitmqctl works on a node that was started here, not on AMQP_URL")
        command = [str(self._programs.folder / "rabbitmqctl"), "--quiet", *arguments]
        environment = self._files.environment(state)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RabbitUnavailable(f"rabbitmqctl {arguments[0]} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout


def start_rabbitmq(folder: Path, *, management: bool = False, programs: RabbitPrograms | None = None) -> RabbitServer:
    """Return the broker of AMQP_URL, or start the node whose files live in `folder`, or attach when it already runs.

    `management` adds the web page and Prometheus metrics, on loopback. `programs` overrides the search for an
    installed package. Raises RabbitUnavailable.
    """
    if given := os.environ.get("AMQP_URL"):
        return RabbitServer(given)
    require_main_thread()
    files = NodeFiles(folder.absolute())
    _make_folder(files)
    with exclusive(files.lock):
        programs = programs or find_programs()
        state = files.state()
        if state and is_running(state.pid, files.folder) and _becomes_ready(state, files):
            return _server(state, files, programs, None)
        return _start(files, programs, next_state(state, management=management))


def _start(files: NodeFiles, programs: RabbitPrograms, state: NodeState) -> RabbitServer:
    end_orphans(files.folder, PROCESS_NAMES, ORPHAN_SECONDS)
    files.prepare(state, programs)
    process = _launch(files, programs, state)
    state = replace(state, pid=process.pid)
    files.save(state)
    server = _server(state, files, programs, process)
    if not _becomes_ready(state, files, process):
        server.kill()
        raise RabbitUnavailable(f"RabbitMQ did not start; {files.log} ends with:\n{_tail(files.log)}")
    files.save(replace(state, complete=True))
    return server


def _launch(files: NodeFiles, programs: RabbitPrograms, state: NodeState) -> subprocess.Popen[bytes]:
    with files.log.open("wb") as log:
        return subprocess.Popen(
            [str(programs.folder / "rabbitmq-server")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=files.folder,
            env=files.environment(state),
            start_new_session=True,
            # The start script passes TERM on to the virtual machine, which then shuts down in order.
            preexec_fn=die_with_parent(signal.SIGTERM),
        )


def _becomes_ready(state: NodeState, files: NodeFiles, process: subprocess.Popen[bytes] | None = None) -> bool:
    def ended() -> bool:
        return process.poll() is not None if process else not is_running(state.pid, files.folder)

    wait_until(lambda: ended() or _answers(state.port), START_SECONDS)
    return not ended() and _answers(state.port)


def _answers(port: int) -> bool:
    """Ask as a client does: an open port alone does not mean that the broker has finished booting."""
    try:
        with socket.create_connection((HOST, port), timeout=5) as connection:
            connection.sendall(AMQP_GREETING)
            return bool(connection.recv(1))
    except OSError:
        return False


def _server(
    state: NodeState, files: NodeFiles, programs: RabbitPrograms, process: subprocess.Popen[bytes] | None
) -> RabbitServer:
    credentials = f"{USER}:{state.password}@{HOST}"
    page = f"http://{credentials}:{state.management_port}/" if state.management else None
    url = f"amqp://{credentials}:{state.port}/"
    return RabbitServer(url, state.pid, page, process is None, files, programs, process)


def _make_folder(files: NodeFiles) -> None:
    try:
        files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.lock.touch(mode=0o600)
    except OSError as error:
        raise RabbitUnavailable(
            f"cannot write to {files.folder} ({error.strerror}): run as its owner, or set ATELIER_HOME"
        ) from error


def _tail(log: Path) -> str:
    return log.read_bytes()[-2000:].decode(errors="replace")
