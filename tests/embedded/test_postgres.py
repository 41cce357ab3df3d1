import os
import signal
import threading
from pathlib import Path

import psycopg
import pytest

from deploy.embedded.postgres import PostgresUnavailable, start_postgres
from deploy.embedded.postgres_programs import NOBODY, Account, find_programs
from deploy.embedded.processes import wait_until
from tests.embedded.stages import Stage, has_left, listening_addresses, working_in

LOOPBACK = {"0100007F"}


def remember(url: str, word: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        connection.execute("INSERT INTO words VALUES (%s)", [word])


def recall(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT word FROM words")]


def test_a_first_start_makes_a_server_that_listens_on_loopback_only(stage: Stage) -> None:
    server = stage.own("postgres")

    remember(server.url, "kept")

    assert recall(server.url) == ["kept"]
    assert listening_addresses([server.pid]) == LOOPBACK


def test_its_password_and_folder_are_closed_to_others(stage: Stage) -> None:
    stage.own("postgres")

    folder = stage.folder / "server"

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "password").stat().st_mode & 0o777 == 0o600


def test_a_wrong_password_is_refused(own_stage: Stage) -> None:
    server = own_stage.own("postgres")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url.replace("postgres:", "postgres:x", 1))


def test_the_next_start_finds_the_same_data_on_the_same_port(stage: Stage) -> None:
    first = stage.own("postgres")
    remember(first.url, "kept")
    first.stop()

    second = stage.own("postgres")

    assert second.url == first.url
    assert recall(second.url) == ["kept"]


def test_stopping_leaves_no_process(stage: Stage) -> None:
    server = stage.own("postgres")

    server.stop()

    assert working_in(stage.folder) == []


def test_a_second_start_attaches_to_the_running_server(stage: Stage) -> None:
    first = stage.own("postgres")

    second = stage.own("postgres")

    assert (second.pid, second.attached) == (first.pid, True)


def test_two_first_starts_at_once_make_one_server(stage: Stage) -> None:
    launched = [stage.launch("postgres") for _ in range(2)]

    one, other = (owner.heard() for owner in launched)

    assert one.pid == other.pid
    assert {one.attached, other.attached} == {True, False}


def test_two_servers_run_side_by_side(stage: Stage) -> None:
    one, other = stage.own("postgres", "one"), stage.own("postgres", "other")

    remember(one.url, "one")
    remember(other.url, "other")

    assert (recall(one.url), recall(other.url)) == (["one"], ["other"])


def test_the_server_leaves_by_itself_when_its_owner_is_killed(stage: Stage) -> None:
    server = stage.own("postgres")
    remember(server.url, "kept")

    server.kill()

    assert has_left(server.pid, stage.folder / "server" / "data")
    assert working_in(stage.folder) == []
    assert recall(stage.own("postgres").url) == ["kept"]


def test_committed_rows_survive_the_kill_of_postmaster_and_owner(stage: Stage) -> None:
    server = stage.own("postgres")
    remember(server.url, "kept")

    os.kill(server.pid, signal.SIGKILL)
    server.kill()

    assert recall(stage.own("postgres").url) == ["kept"]


def test_a_postmaster_killed_under_a_living_owner_is_not_attached_to(stage: Stage) -> None:
    server = stage.own("postgres")
    remember(server.url, "kept")

    os.kill(server.pid, signal.SIGKILL)
    second = stage.own("postgres")

    assert not second.attached
    assert recall(second.url) == ["kept"]


def test_a_backend_that_outlives_its_postmaster_is_ended_before_the_next_start(own_stage: Stage) -> None:
    server = own_stage.own("postgres")
    remember(server.url, "kept")
    busy = psycopg.connect(server.url)
    backend = busy.info.backend_pid
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")

    os.kill(server.pid, signal.SIGKILL)
    second = own_stage.own("postgres")
    busy.close()

    assert has_left(backend, own_stage.folder / "server" / "data", seconds=0)
    assert recall(second.url) == ["kept"]


@pytest.mark.parametrize("living", [True, False], ids=["a_strangers", "a_zombies"])
def test_a_stale_pid_file_with_that_number_does_not_stop_the_start(own_stage: Stage, *, living: bool) -> None:
    first = own_stage.own("postgres")
    first.stop()
    zombie = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
    number = os.getpid() if living else zombie
    stale = f"{number}\n{own_stage.folder}/server/data\n1\n1\n\n127.0.0.1\n1 1\nready   \n"
    (own_stage.folder / "server" / "data" / "postmaster.pid").write_text(stale)

    second = own_stage.own("postgres")
    os.waitpid(zombie, 0)

    assert second.url == first.url
    assert not second.attached


def test_a_killed_first_start_leaves_nothing_that_the_next_takes_for_a_cluster(stage: Stage) -> None:
    folder = stage.folder / "server"
    victim = stage.launch("postgres")
    assert wait_until(lambda: bool(list(folder.glob("data.*/global"))), 20)

    victim.kill()
    made_by_the_victim = (folder / "data").exists()
    server = stage.own("postgres")

    assert not made_by_the_victim
    remember(server.url, "kept")
    assert list(folder.glob("data.*")) == []


def test_settings_reach_the_server_and_tests_may_trade_durability_for_speed(tmp_path: Path) -> None:
    server = start_postgres(tmp_path / "server", fast_unsafe=True, settings={"work_mem": "7MB"})
    with psycopg.connect(server.url()) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()[0] for name in ("work_mem", "fsync", "max_connections")
        }
    server.stop()

    assert shown == {"work_mem": "7MB", "fsync": "off", "max_connections": "300"}
    assert not server.is_running()


def test_a_role_cannot_enter_the_maintenance_databases(own_stage: Stage) -> None:
    server = own_stage.own("postgres")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    host = server.url.rpartition("@")[2].rpartition("/")[0]

    for database in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(f"postgresql://guest:guest@{host}/{database}")


def test_a_worker_thread_may_not_start_a_server(tmp_path: Path) -> None:
    raised: list[BaseException] = []

    def start() -> None:
        try:
            start_postgres(tmp_path / "server")
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert "main thread" in str(raised[0])


def test_missing_programs_are_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path))

    with pytest.raises(PostgresUnavailable, match="holds no `postgres` and `initdb`"):
        start_postgres(tmp_path / "server")


def test_data_of_another_version_is_refused_with_the_way_out(own_stage: Stage) -> None:
    own_stage.own("postgres").stop()
    (own_stage.folder / "server" / "data" / "PG_VERSION").write_text("14\n")

    refused = own_stage.own("postgres")

    assert "was made by PostgreSQL 14" in refused.error
    assert "set PG_BIN" in refused.error


def test_a_server_that_cannot_start_says_what_its_log_says(tmp_path: Path) -> None:
    with pytest.raises(PostgresUnavailable, match="invalid value for parameter"):
        start_postgres(tmp_path / "server", settings={"work_mem": "plenty"})


@pytest.mark.parametrize("uid", [NOBODY] if os.geteuid() == 0 else [])
def test_a_folder_of_another_account_is_refused_with_the_way_out(public_folder: Path, uid: int) -> None:
    refused = Stage(public_folder, uid).own("postgres")
    refused.process.communicate()

    assert "run as its owner, or set ATELIER_HOME" in refused.error


@pytest.mark.parametrize("uid", [NOBODY] if os.geteuid() == 0 else [])
class TestRootWithoutUserNamespaces:
    """Where the kernel or a container refuses user namespaces, root's server runs as another user."""

    def test_the_server_runs_as_that_user_and_the_files_change_hands(self, own_stage: Stage, uid: int) -> None:
        server = own_stage.own("postgres", "server", "--account", str(uid))
        remember(server.url, "kept")
        running_as = Path(f"/proc/{server.pid}").stat().st_uid
        server.stop()

        again = own_stage.own("postgres")

        assert running_as == uid
        assert recall(again.url) == ["kept"]
        assert (own_stage.folder / "server" / "data").stat().st_uid == 0

    def test_it_leaves_when_its_owner_is_killed(self, own_stage: Stage, uid: int) -> None:
        server = own_stage.own("postgres", "server", "--account", str(uid))

        server.kill()

        assert has_left(server.pid, own_stage.folder / "server" / "data")

    def test_a_folder_that_user_cannot_reach_is_named_with_the_way_out(self, tmp_path: Path, uid: int) -> None:
        tmp_path.chmod(0o700)
        refused = Stage(tmp_path).own("postgres", "server", "--account", str(uid))
        refused.process.communicate()

        assert "set ATELIER_HOME to a folder that others may enter" in refused.error

    def test_programs_below_a_closed_folder_are_copied_to_a_public_place(
        self, tmp_path: Path, uid: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        (closed / "pginstall").symlink_to(find_programs(Account()).folder.parent)
        monkeypatch.setenv("PG_BIN", str(closed / "pginstall" / "bin"))

        programs = find_programs(Account(uid=uid))

        assert programs.folder.parent.parent == Path("/var/tmp")
