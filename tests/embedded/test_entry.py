"""The entry script in a copy of its own: real environments, a lock of one small package, and a stub to hand over to."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUB = """
import json, os, sys
import idna
facts = {"arguments": sys.argv[1:], "folder": os.getcwd(), "python": sys.prefix, "pid": os.getpid()}
print(json.dumps(facts))
"""


@dataclass
class Checkout:
    folder: Path
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    def start(self, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, str(self.folder / "atelier"), *arguments]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=cwd or self.folder,
        )

    def run(self, *arguments: str, cwd: Path | None = None) -> "Outcome":
        return finished(self.start(*arguments, cwd=cwd))


@dataclass
class Outcome:
    code: int
    said: str
    facts: dict


def finished(process: subprocess.Popen[str]) -> Outcome:
    out, said = process.communicate(timeout=100)
    return Outcome(process.returncode, said, json.loads(out) if out else {})


def lock_of(*packages: str) -> str:
    """The real lock's own lines for some packages, hashes and all."""
    text = (ROOT / "requirements-dev.lock").read_text()
    return "".join(re.search(rf"^{name}==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)[0] for name in packages)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "checkout"
    (folder / "deploy" / "cli").mkdir(parents=True)
    for name in ("atelier", "requirements-setup.lock"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "deploy" / "cli" / "__main__.py").write_text(STUB)
    (folder / "requirements.lock").write_text(lock_of("idna"))
    (folder / "requirements-dev.lock").write_text(lock_of("idna", "iniconfig"))
    return Checkout(folder)


@pytest.fixture
def without_uv(checkout: Checkout, tmp_path: Path) -> Checkout:
    checkout.environment["PATH"] = str(tmp_path)
    return checkout


def test_a_first_start_makes_the_environment_and_hands_over_where_the_caller_stands(
    checkout: Checkout, tmp_path: Path
) -> None:
    first = checkout.run("demo", "--photo", "a b.png", cwd=tmp_path)

    assert first.code == 0, first.said
    assert first.facts["arguments"] == ["demo", "--photo", "a b.png"]
    assert (first.facts["folder"], first.facts["python"]) == (str(tmp_path), str(checkout.venv))
    assert "installing 1 packages" in first.said


def test_a_warm_start_says_nothing_and_stays_the_same_process(checkout: Checkout) -> None:
    checkout.run("up")

    process = checkout.start("up")
    warm = finished(process)

    assert warm.said == ""
    assert warm.facts["pid"] == process.pid


def test_where_there_is_no_uv_pip_brings_one_that_does_the_rest(without_uv: Checkout) -> None:
    first = without_uv.run("up")

    assert first.code == 0, first.said
    assert (without_uv.venv / "bin" / "uv").exists()
    assert "failed" not in first.said


def test_pip_serves_where_no_uv_can_be_had(without_uv: Checkout) -> None:
    (without_uv.folder / "requirements-setup.lock").write_text("uv==0.0.0 --hash=sha256:" + "0" * 64)

    first = without_uv.run("up")

    assert first.code == 0, first.said
    assert "fetching uv: failed" in first.said


def test_the_places_that_pip_was_told_of_are_told_to_uv(without_uv: Checkout, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    without_uv.environment["PIP_CONFIG_FILE"] = str(tmp_path / "pip.conf")
    (tmp_path / "pip.conf").write_text(
        f"[global]\nindex-url = https://one.example/simple\nextra-index-url =\n  https://two.example/simple\n"
        f"  https://three.example/simple\nfind-links = {wheels}\n"
    )
    for name in [name for name in without_uv.environment if name.startswith(("PIP_FIND", "PIP_INDEX", "PIP_EXTRA"))]:
        del without_uv.environment[name]
    program = "import runpy; print(runpy.run_path('atelier', run_name='entry')['places_of_pip']())"
    subprocess.run([sys.executable, "-m", "venv", without_uv.venv], check=True)

    told = subprocess.run(
        [sys.executable, "-c", program], cwd=without_uv.folder, env=without_uv.environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert ast.literal_eval(told.stdout) == {
        "UV_DEFAULT_INDEX": "https://one.example/simple",
        "UV_INDEX": "https://two.example/simple https://three.example/simple",
        "UV_FIND_LINKS": str(wheels),
    }


def test_a_verb_for_developers_adds_what_they_need_and_keeps_the_rest_current(checkout: Checkout) -> None:
    before = checkout.run("up")

    testing = checkout.run("test", "-q")
    after = checkout.run("up")

    site_packages = next(checkout.venv.glob("lib/python3*/site-packages"))
    assert "installing 2 packages" in testing.said
    assert (site_packages / "iniconfig").exists()
    assert (before.code, after.said) == (0, "")


def test_a_changed_lock_is_installed_into_the_same_environment(checkout: Checkout) -> None:
    checkout.run("up")
    kept = checkout.venv / "kept"
    kept.touch()
    (checkout.folder / "requirements.lock").write_text(lock_of("idna", "iniconfig"))

    refreshed = checkout.run("up")

    assert "installing 2 packages" in refreshed.said
    assert kept.exists()


@pytest.mark.parametrize("missing", ["bin/python", "bin/activate", "pyvenv.cfg"])
def test_an_environment_that_was_left_half_made_is_made_again(checkout: Checkout, missing: str) -> None:
    checkout.run("up")
    (checkout.venv / "atelier-run.stamp").unlink()
    (checkout.venv / missing).unlink()

    again = checkout.run("up")

    assert "removing a .venv that is not whole" in again.said
    assert again.code == 0


def test_a_killed_installation_is_done_again(checkout: Checkout) -> None:
    checkout.run("up")
    (checkout.venv / "atelier-run.stamp").unlink()
    shutil.rmtree(next(checkout.venv.glob("lib/python3*/site-packages/idna")))
    shutil.rmtree(next(checkout.venv.glob("lib/python3*/site-packages/idna-*")))

    again = checkout.run("up")

    assert again.code == 0, again.said


def test_a_moved_checkout_gets_an_environment_of_its_own(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("up")
    moved = Checkout(checkout.folder.rename(tmp_path / "moved"))

    first = moved.run("up")

    assert first.code == 0, first.said
    assert first.facts["python"] == str(moved.venv)


def test_two_first_starts_at_once_make_one_environment(checkout: Checkout) -> None:
    started = [checkout.start("up") for _ in range(2)]

    outcomes = [finished(process) for process in started]

    assert [outcome.code for outcome in outcomes] == [0, 0]
    assert sum("Ready after" in outcome.said for outcome in outcomes) == 1


def test_a_folder_named_deploy_where_the_caller_stands_is_not_run(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "__init__.py").write_text("raise SystemExit('the wrong deploy')")

    assert checkout.run("up", cwd=tmp_path).code == 0


def test_a_package_that_differs_from_the_lock_is_refused(checkout: Checkout) -> None:
    lock = checkout.folder / "requirements.lock"
    lock.write_text(re.sub(r"sha256:\w+", "sha256:" + "0" * 64, lock.read_text()))

    refused = checkout.run("up")

    assert refused.code == 2
    assert "differs from the one this lock was made with" in refused.said
    assert not (checkout.venv / "atelier-run.stamp").exists()


def test_a_python_without_venv_is_told_the_line_that_installs_it(without_uv: Checkout, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    # What Debian's Python does without python3-venv: half an environment, then an error.
    (tmp_path / "broken" / "venv.py").write_text("import os, sys; os.makedirs(sys.argv[1] + '/bin'); sys.exit(1)")
    without_uv.environment["PYTHONPATH"] = str(tmp_path / "broken")

    refused = without_uv.run("up")

    assert refused.code == 2
    assert f"apt-get install python3.{sys.version_info.minor}-venv" in refused.said


def test_an_old_python_can_read_the_script_and_is_told_what_is_needed(without_uv: Checkout, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "sitecustomize.py").write_text("import sys; sys.version_info = (3, 6, 15, 'final', 0)")
    without_uv.environment["PYTHONPATH"] = str(tmp_path / "old")

    refused = without_uv.run("up")

    ast.parse((ROOT / "atelier").read_text(), feature_version=(3, 6))
    assert refused.code == 2
    assert "needs Python 3.11 or newer; this is 3.6" in refused.said
