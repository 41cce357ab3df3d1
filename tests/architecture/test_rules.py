"""The rules hold for the code, and each rule catches what it is for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.rules import findings

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("shared", "services", "deploy")

# Shrinks only: what stands here waits to be split. A line that no longer applies fails the test.
NOT_YET: frozenset[str] = frozenset()


def sources() -> list[Path]:
    found = [path for place in PLACES for path in (ROOT / place).rglob("*.py")]
    return [path for path in found if "versions" not in path.parts]


def test_the_code_keeps_the_house_rules():
    found = {
        f"{finding.path}: {finding.rule}"
        for path in sources()
        for finding in findings(str(path.relative_to(ROOT)), path.read_text())
    }
    assert found - NOT_YET == set()
    assert NOT_YET - found == set(), "these exceptions are no longer needed"


LONG_FUNCTION = "def f():\n" + "    x = 1\n" * 41


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("services/chat/usecases.py", "async def f(session):\n    await session.commit()\n"),
        ("services/chat/endpoints.py", "from fastapi import HTTPException\nraise HTTPException(404)\n"),
        ("services/chat/tasks.py", "print('hello')\n"),
        ("services/chat/tasks.py", "from datetime import datetime\nnow = datetime.utcnow()\n"),
        ("services/chat/tasks.py", "from datetime import datetime\nnow = datetime.now()\n"),
        ("shared/contracts/billing.py", "class PaymentPaid:\n    amount_net: float\n"),
        ("services/billing/models.py", "share = total / 3\n"),
        ("services/billing/models.py", "share /= 3\n"),
        ("services/community/affiliates/ledger.py", "due = round(total * 3)\n"),
        ("shared/money.py", "due = float(total)\n"),
        ("services/chat/usecases/sessions.py", "from services.chat.schemas import SessionRead\n"),
        ("services/billing/usecases/timeline.py", "from services.billing.schemas_history import TimelineItem\n"),
        ("services/chat/usecases.py", "import fastapi\n"),
        ("services/chat/endpoints.py", "@router.get('/x', access=public)\ndef f():\n    return 1\n"),
        ("services/chat/utils.py", "x = 1\n"),
        ("services/chat/long.py", LONG_FUNCTION),
        ("services/chat/long.py", "x = 1\n" * 401),
    ],
)
def test_each_rule_catches_what_it_is_for(path, source):
    assert findings(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("shared/database.py", "async def f(session):\n    await session.commit()\n"),
        ("services/chat/tasks.py", "from datetime import UTC, datetime\nnow = datetime.now(UTC)\n"),
        ("shared/contracts/billing.py", "class PaymentPaid:\n    amount_net: int\n"),
        ("services/billing/models.py", "share = total * part // whole\n"),
        ("services/billing/app.py", "folder = here / 'migrations'\n"),
        ("services/jobs/pace.py", "seconds = total / count\n"),
        ("services/chat/endpoints.py", "@router.get('/x', access=public)\nasync def f():\n    return 1\n"),
    ],
)
def test_the_rules_leave_honest_code_alone(path, source):
    assert not findings(path, source)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    linter = Path(sys.executable).parent / "lint-imports"
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(
        [linter, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_import_contracts_hold():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


def test_each_import_contract_catches_what_it_is_for(tmp_path):
    """A project of three folders that breaks every contract once."""
    lines = {
        "shared/plumbing.py": "import services.chat.app\n",
        "services/chat/app.py": "import aio_pika\n",
        "services/jobs/app.py": "import services.chat.app\nimport stripe\n",
        "deploy/host.py": "",
    }
    for path, source in lines.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).parent.joinpath("__init__.py").touch()
        (tmp_path / path).write_text(source)
    (tmp_path / "services/__init__.py").touch()
    shutil.copy(ROOT / ".importlinter", tmp_path)
    assert lint_imports(tmp_path).stdout.count("BROKEN") == 4
