"""Each service stands on `shared` alone, and importing does no work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.services import SERVICES
from shared import migrations
from tests.support.postgres import database_of

ROOT = Path(__file__).resolve().parents[2]
NAMES = [service.name for service in SERVICES]

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
# The environment knows the checkout by a .pth file; the service must not see it.
sys.path[:] = [path for path in sys.path if path != CHECKOUT]
import services
for name in sorted(module.name for module in pkgutil.walk_packages(services.__path__, "services.")):
    if ".migrations" not in name and not name.endswith("__main__"):
        importlib.import_module(name)
others = sorted(name for name in sys.modules if name.startswith("services.") and not name.startswith("services.SELF"))
assert not others, others
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_service_runs_with_only_the_plumbing_beside_it(name, tmp_path):
    shutil.copytree(ROOT / "shared", tmp_path / "shared")
    shutil.copytree(ROOT / "services" / name, tmp_path / "services" / name)
    script = IMPORT_EVERYTHING.replace("SELF", name).replace("CHECKOUT", repr(str(ROOT)))
    # An empty environment: reading settings at import time would fail here.
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "PYTHONNOUSERSITE": "1"}
    command = [sys.executable, "-P", "-c", script]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_models_and_migrations_agree(service):
    with database_of(service) as url:
        assert migrations.differences(service, url) == []


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_migrations_can_be_printed_as_sql(service):
    assert "CREATE TABLE" in migrations.sql_of(service)


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_production_refuses_default_secrets_and_names_the_variable(service, monkeypatch):
    monkeypatch.setenv("ATELIER_ENV", "production")
    with pytest.raises(Exception, match=r"[A-Z_]+ must be set"):
        service.settings()
