"""Verbs for people who work on the code: test, check, lock, docs."""

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.cli.engines import install

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {
    "requirements.lock": ("pyproject.toml",),
    "requirements-dev.lock": ("pyproject.toml", "--group", "dev"),
    "requirements-engines.lock": ("--group", "engines", "--constraint", "requirements.lock"),
    "requirements-setup.lock": ("--group", "setup"),
    "requirements-peers.lock": ("--group", "peers"),
}
# A pinned release with its marker, a hash, or a comment; anything else would name an index, a host or a path.
LOCK_LINE = re.compile(
    r"([a-z0-9][a-z0-9._-]*(\[[a-z0-9,_-]+\])?==[a-z0-9.+!]+( ; [^/@]+)?( \\)?"
    r"|    --hash=sha256:[0-9a-f]{64}( \\)?"
    r"| *#((?!//).)*)?"
)

console = Console(highlight=False)


@dataclass(frozen=True, slots=True)
class Suite:
    """A part of the tests with its own time budget in seconds; over it, the suite fails.

    One that is not run by default needs more than Python, and is asked for by name. One that is `marked` (a|b) reads
    only the files that spell a mark. One that `covers` a folder fails when it misses more than one of that folder's
    lines and branches.
    """

    name: str
    arguments: tuple[str, ...]
    budget: int
    by_default: bool = True
    marked: str = ""
    covers: str = ""

    def commands(self, extra: list[str]) -> list[list[str]]:
        """What to run, one after the other, until one fails."""
        run = ["pytest", "-q", *self.arguments, *(_files_with(self.marked) if self.marked else ()), *extra]
        if not self.covers:
            return [[sys.executable, "-m", *run]]
        coverage = [sys.executable, "-m", "coverage"]
        return [
            [*coverage, "erase"],
            [*coverage, "run", "-m", *run],
            [*coverage, "combine", "-q"],
            [*coverage, "report", f"--include={self.covers}/*", *WHOLE],
        ]


def _files_with(mark: str) -> list[str]:
    """Where tests may have the mark. Every process of a suite would need some seconds to import all the others."""
    spelling = re.compile(rf"mark\.({mark})\b")
    spelled = [path for path in (ROOT / "tests").rglob("*.py") if spelling.search(path.read_text())]
    return sorted({str(path.parent if path.name == "conftest.py" else path) for path in spelled})


# Every line and branch; the hundredths leave room for one of them, where two tasks meet by chance.
WHOLE = ("--fail-under=99.97", "--precision=2", "--show-missing", "--skip-covered")
PLAIN = "not chaos and not browser and not services and not slow and not compose"
SUITES = (
    Suite("fast", ("tests", "-m", PLAIN, "-n", "3", "--ignore=tests/billing"), 2400),
    Suite("billing", ("tests/billing", "-m", PLAIN, "-n", "2"), 1200, covers="services/billing"),
    Suite("slow", ("-m", "slow and not chaos and not browser and not services", "-n", "3"), 1800, marked="slow"),
    # One process for each topology, so that each is started once.
    Suite("flows", ("-m", "browser or services", "-n", "2", "--dist", "loadgroup"), 900, marked="browser|services"),
    Suite("chaos", ("-m", "chaos", "-n", "3"), 1200, marked="chaos"),
    Suite("compose", ("tests/compose", "-m", "compose"), 2700, by_default=False),
)
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
SUITE_NAMES = tuple(suite.name for suite in SUITES)


def register(app: typer.Typer) -> None:
    app.command(context_settings=PASSED_ON)(test)
    app.command()(check)
    app.command(context_settings=PASSED_ON, add_help_option=False)(bench)
    app.command()(lock)
    app.command()(docs)


def test(
    context: typer.Context,
    fast: Annotated[bool, typer.Option("--fast", help="Only the quick part.")] = False,
    suite: Annotated[list[str] | None, typer.Option(help="Only these suites.")] = None,
) -> None:
    """Run all tests with a real Postgres and a real RabbitMQ. Further arguments go to pytest."""
    wanted = ["fast", "billing"] if fast else suite or [entry.name for entry in SUITES if entry.by_default]
    if unknown := set(wanted) - set(SUITE_NAMES):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the suites are {', '.join(SUITE_NAMES)}")
    install()
    failed = [entry.name for entry in SUITES if entry.name in wanted and not _run_suite(entry, context.args)]
    if failed:
        console.print(f"[red]Failed: {', '.join(failed)}[/red]")
        raise typer.Exit(1)


def _run_suite(suite: Suite, arguments: list[str]) -> bool:
    console.rule(f"{suite.name} (budget {suite.budget} s)")
    started = time.monotonic()
    try:
        passed = all(_passes(command, suite.budget) for command in suite.commands(arguments))
    except subprocess.TimeoutExpired:
        console.print(f"[red]{suite.name} took longer than its {suite.budget} s.[/red]")
        return False
    console.print(f"{suite.name}: {time.monotonic() - started:.0f} s")
    return passed


def _passes(command: list[str], budget: int) -> bool:
    return subprocess.run(command, cwd=ROOT, check=False, timeout=budget).returncode == 0  # noqa: S603


def bench(context: typer.Context) -> None:
    """Measure the platform, each figure beside a reference from the same run. Takes minutes of an idle machine."""
    # Started in the checkout, where `tests` is ours: some wheels bring a package of that name.
    code = subprocess.run([sys.executable, "-m", "bench", *context.args], cwd=ROOT, check=False).returncode  # noqa: S603
    raise typer.Exit(code)


def check() -> None:
    """Lint, types, import contracts, locks and generated documents."""
    tool = Path(sys.executable).parent
    steps = {
        "lint": [str(tool / "ruff"), "check", "."],
        "format": [str(tool / "ruff"), "format", "--check", "."],
        "types": [str(tool / "mypy")],
        "imports": [str(tool / "lint-imports")],
    }
    failed = [name for name, command in steps.items() if not _run_step(name, command)]
    failed += ["locks"] if _named_places() else []
    failed += ["documents"] if _stale_documents() else []
    if failed:
        console.print(f"[red]Failed: {', '.join(failed)}[/red]")
        raise typer.Exit(1)
    console.print("[green]All checks passed.[/green]")


def _run_step(name: str, command: list[str]) -> bool:
    console.rule(name)
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0  # noqa: S603


def _named_places() -> list[str]:
    """Lock lines that name an index, a host or a path: a lock must install from wherever the machine does."""
    console.rule("locks")
    found = [
        f"{name}:{number}: {line.strip()}"
        for name in LOCKS
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1)
        if not LOCK_LINE.fullmatch(line)
    ]
    for entry in found:
        console.print(entry)
    return found


def _stale_documents() -> list[str]:
    from deploy.cli.documents import stale_documents  # noqa: PLC0415

    console.rule("documents")
    stale = stale_documents(ROOT)
    for path in stale:
        console.print(f"{path} is out of date: run ./atelier docs")
    return stale


def docs() -> None:
    """Write the generated documents again: events, AsyncAPI, OpenAPI, data model, gateway configuration."""
    from deploy.cli.documents import write_documents  # noqa: PLC0415

    write_documents(ROOT)


def lock() -> None:
    """Resolve pyproject.toml into the hashed locks, which name no index and no host. Needs uv."""
    options = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url")
    quiet = ("--no-emit-find-links", "--custom-compile-command", "./atelier lock", "-q")
    for name, sources in LOCKS.items():
        command = ["uv", "pip", "compile", *sources, *options, *quiet, "-o", name]
        subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603
    if _named_places():
        raise typer.Exit(1)
