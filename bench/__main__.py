"""The command line of the benches."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.run import BENCHES, run_benches, write_down
from bench.settings import QUICK, Settings

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Only these: {', '.join(BENCHES)}.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Put the figures into docs/performance.md.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Too short to mean anything: does it run?")] = False,
) -> None:
    """Measure, and show each figure beside its reference."""
    wanted = names or list(BENCHES)
    if unknown := set(wanted) - set(BENCHES):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the benches are {', '.join(BENCHES)}")
    findings = run_benches(wanted, QUICK if quick else Settings(), Console(highlight=False))
    if write:
        write_down(findings, DOCUMENT)


if __name__ == "__main__":
    typer.run(main)
