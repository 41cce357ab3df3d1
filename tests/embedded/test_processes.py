import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from deploy.embedded import processes
from deploy.embedded.processes import free_port, is_running, is_running_by_ps, port_is_free, same_port


def test_a_process_is_known_by_the_folder_it_works_in(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as process:
        known, elsewhere = is_running(process.pid, tmp_path), is_running(process.pid, tmp_path.parent)
        process.kill()

    assert (known, elsewhere) == (True, False)
    assert not is_running(process.pid, tmp_path)


def test_a_zombie_does_not_run(tmp_path: Path) -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    running = [is_running(pid, Path.cwd()), is_running_by_ps(pid, Path("true"))]
    os.waitpid(pid, 0)

    assert running == [False, False]


def test_without_proc_a_process_is_known_by_the_folder_in_its_command_line(tmp_path: Path) -> None:
    with subprocess.Popen(["tail", "-f", "/dev/null", "--pid", str(os.getpid()), tmp_path / "absent"]) as process:
        known, elsewhere = is_running_by_ps(process.pid, tmp_path), is_running_by_ps(process.pid, Path("/elsewhere"))
        process.kill()

    assert (known, elsewhere) == (True, False)


def test_a_port_in_use_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not port_is_free(taken.getsockname()[1])


def test_free_ports_differ_and_are_none_that_an_outgoing_connection_could_take() -> None:
    given = [free_port() for _ in range(300)]
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert len(set(given)) == 300
    assert max(given) < first_outgoing


def test_a_server_gets_its_last_port_back_although_the_killed_one_is_still_closing_it() -> None:
    dying = socket.create_server(("127.0.0.1", free_port()))
    last = dying.getsockname()[1]
    closing = threading.Timer(0.2, dying.close)
    closing.start()
    try:
        assert same_port(last) == last
    finally:
        closing.join()


def test_a_port_that_another_program_keeps_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "CLOSING_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", free_port())) as stranger:
        assert same_port(stranger.getsockname()[1]) != stranger.getsockname()[1]
    assert same_port(0) != 0
