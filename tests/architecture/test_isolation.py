"""Each service stands on `shared` alone, and importing does no work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from deploy.services import SERVICES
from shared import migrations
from tests.support.postgres import database_of

ROOT = Path(__file__).resolve().parents[2]
NAMES = [service.name for service in SERVICES]

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys, threading
WORK = {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.system",
        "sqlite3.connect", "os.mkdir", "os.remove", "os.rename"}
def refuse_work(event, arguments):
    if event in WORK:
        raise RuntimeError(f"work at import time: {event}")
    if event == "open" and str(arguments[1] or "r")[0] in "wax":
        raise RuntimeError(f"a file written at import time: {arguments[0]}")
# The environment knows the checkout by a .pth file; the service must not see it.
sys.path[:] = [path for path in sys.path if path != CHECKOUT]
import services
sys.dont_write_bytecode = True
sys.addaudithook(refuse_work)
for name in sorted(module.name for module in pkgutil.walk_packages(services.__path__, "services.")):
    if ".migrations" not in name and not name.endswith("__main__"):
        importlib.import_module(name)
others = sorted(name for name in sys.modules if name.startswith("services.") and not name.startswith("services.SELF"))
assert not others, others
assert threading.active_count() == 1, "a thread started at import time"
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_service_runs_with_only_the_plumbing_beside_it(name, tmp_path):
    shutil.copytree(ROOT / "shared", tmp_path / "shared")
    shutil.copytree(ROOT / "services" / name, tmp_path / "services" / name)
    result = import_all(name, tmp_path)
    assert result.returncode == 0, result.stderr


def import_all(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = IMPORT_EVERYTHING.replace("SELF", name).replace("CHECKOUT", repr(str(ROOT)))
    # An empty environment: reading settings at import time would fail here.
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONNOUSERSITE": "1"}
    command = [sys.executable, "-P", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "line",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import subprocess; subprocess.run(['true'])",
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "open('made.txt', 'w')",
        "import os; os.environ['DATABASE_URL']",
    ],
)
def test_work_at_import_time_is_caught(line, tmp_path):
    (tmp_path / "services" / "naughty").mkdir(parents=True)
    (tmp_path / "services" / "naughty" / "__init__.py").write_text(line + "\n")
    result = import_all("naughty", tmp_path)
    assert result.returncode != 0
    assert "at import time" in result.stderr or "KeyError" in result.stderr


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_models_and_migrations_agree(service):
    with database_of(service) as url:
        assert migrations.differences(service, url) == []


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_published_views_are_in_the_database_with_the_columns_that_are_told(service):
    told = {view.name: view.columns for view in service.metadata.info.get("views", ())}
    columns = (
        "SELECT v.viewname, array_agg(c.column_name::text ORDER BY c.ordinal_position) FROM pg_views v"
        " JOIN information_schema.columns c ON c.table_name = v.viewname AND c.table_schema = v.schemaname"
        " WHERE v.schemaname = 'public' GROUP BY 1"
    )
    with database_of(service) as url, psycopg.connect(url) as connection:
        assert {name: tuple(found) for name, found in connection.execute(columns)} == told


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_migrations_can_be_printed_as_sql(service):
    assert "CREATE TABLE" in migrations.sql_of(service)


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_production_refuses_default_secrets_and_names_the_variable(service, monkeypatch):
    monkeypatch.setenv("ATELIER_ENV", "production")
    with pytest.raises(Exception, match=r"[A-Z_]+ must be set"):
        service.settings()
