"""`./atelier bench`: measure, show, and write down."""

import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import backlog, billing, drain, events, films, http, jobs, logins, start, tools
from bench.board import Figure, markdown_of, table_of
from bench.peers import measure as peers
from bench.settings import Settings
from shared.logging import configure_logging

BENCHES: dict[str, Callable[[Settings], list[Figure]]] = {
    "http": http.measure,
    "events": events.measure,
    "jobs": lambda settings: [
        figure for part in (jobs, backlog, drain, tools, films) for figure in part.measure(settings)
    ],
    "billing": billing.measure,
    "logins": logins.measure,
    "start": start.measure,
    "peers": peers.measure,
}
# What each bench found, by its name.
Findings = dict[str, list[Figure]]


def run_benches(names: list[str], settings: Settings, console: Console) -> Findings:
    """Measure one kind after the other and show the figures as they come."""
    configure_logging(level="CRITICAL")
    findings: Findings = {}
    for name in names:
        began = time.monotonic()
        with console.status(f"Measuring {name}"):
            found = BENCHES[name](settings)
        console.rule(f"{name}, {time.monotonic() - began:.0f} s")
        console.print(table_of(found))
        findings[name] = found
    return findings


def write_down(findings: Findings, document: Path) -> None:
    """Put each bench's figures, with machine and date, between its marks in the document; other benches' stay."""
    text = document.read_text()
    for name, figures in findings.items():
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end {name} -->")
        text = f"{before}{begin}{_dated(figures)}{end}{after}"
    document.write_text(text)


def _dated(figures: list[Figure]) -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    heading = f"{datetime.now(UTC):%Y-%m-%d}, {machine}. Medians, and the range of the runs in brackets.\n\n"
    return f"{heading}{markdown_of(figures)}\n"
