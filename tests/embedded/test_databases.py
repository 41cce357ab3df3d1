from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from deploy.embedded.databases import DatabasesUnavailable, prepare_databases
from deploy.embedded.postgres import PostgresServer, start_postgres

NAMES = ("accounts", "billing")


def secret(name: str) -> str:
    return f"{name}:p@ss/word%"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    server = start_postgres(tmp_path / "server", fast_unsafe=True)
    yield server
    server.stop()


@pytest.fixture
def make_role(server: PostgresServer) -> Callable[[str], str]:
    def make(rights: str) -> str:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE maker LOGIN {rights} PASSWORD 'maker'")
            connection.execute("GRANT CONNECT ON DATABASE postgres TO maker")
        return server.url(user="maker", password="maker")

    return make


def test_each_role_owns_its_database_and_may_create_tables_there(server: PostgresServer) -> None:
    urls = prepare_databases(server.url(), NAMES, secret)

    for name in NAMES:
        with psycopg.connect(urls[name]) as connection:
            connection.execute("CREATE TABLE notes (note text)")
            assert (connection.info.user, connection.info.dbname) == (name, name)


def test_a_role_is_refused_by_every_other_database(server: PostgresServer) -> None:
    prepare_databases(server.url(), NAMES, secret)

    for other in ("billing", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(server.url(other, "accounts", secret("accounts")))


def test_preparing_again_keeps_the_data_and_sets_the_new_password(server: PostgresServer) -> None:
    urls = prepare_databases(server.url(), NAMES, secret)
    with psycopg.connect(urls["accounts"]) as connection:
        connection.execute("CREATE TABLE kept ()")

    again = prepare_databases(server.url(), NAMES, lambda _: "changed")

    with psycopg.connect(again["accounts"]) as connection:
        connection.execute("SELECT FROM kept")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(urls["accounts"])


def test_two_processes_may_prepare_at_once(server: PostgresServer) -> None:
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: prepare_databases(server.url(), NAMES, secret), range(4)))

    assert all(result == results[0] for result in results)


def test_a_role_that_is_no_superuser_can_prepare(make_role: Callable[[str], str]) -> None:
    url = make_role("CREATEDB CREATEROLE")

    prepare_databases(url, NAMES, secret)
    urls = prepare_databases(url, NAMES, lambda _: "changed")

    with psycopg.connect(urls["billing"]) as connection:
        connection.execute("CREATE TABLE notes ()")


def test_a_role_without_the_rights_is_told_which_it_lacks(make_role: Callable[[str], str]) -> None:
    with pytest.raises(DatabasesUnavailable, match="give it CREATEDB and CREATEROLE"):
        prepare_databases(make_role(""), NAMES, secret)


def test_the_password_never_reaches_the_statement_log(tmp_path: Path) -> None:
    server = start_postgres(tmp_path / "server", fast_unsafe=True, settings={"log_statement": "all"})
    prepare_databases(server.url(), NAMES, secret)
    server.stop()

    log = (tmp_path / "server" / "server.log").read_text()

    assert "ALTER ROLE" in log
    assert secret("accounts") not in log


def test_options_of_the_server_url_are_kept_and_a_sqlalchemy_driver_is_dropped(server: PostgresServer) -> None:
    given = server.url().replace("postgresql://", "postgresql+psycopg://") + "?application_name=atelier&user=postgres"

    urls = prepare_databases(given, NAMES, secret)

    with psycopg.connect(urls["accounts"]) as connection:
        assert connection.info.get_parameters()["application_name"] == "atelier"
        assert connection.info.user == "accounts"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://127.0.0.1/x", "must look like postgresql://"),
        ("accounts", "must look like postgresql://"),
        ("postgresql://somebody:hidden@127.0.0.1:1/x", "cannot use the server at 127.0.0.1:1: connection failed"),
    ],
)
def test_a_wrong_url_is_explained_without_its_password(url: str, message: str) -> None:
    with pytest.raises(DatabasesUnavailable, match=message) as raised:
        prepare_databases(url, NAMES, secret)

    assert "hidden" not in str(raised.value)
