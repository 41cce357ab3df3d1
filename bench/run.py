"""`./atelier bench`: measure, show, and write down."""

import os
import platform
import re
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
FIGURES = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end -->)", re.DOTALL)


def run_benches(names: list[str], settings: Settings, console: Console) -> list[Figure]:
    """Measure one kind after the other and show the figures as they come."""
    configure_logging(level="CRITICAL")
    figures = []
    for name in names:
        began = time.monotonic()
        with console.status(f"Measuring {name}"):
            found = BENCHES[name](settings)
        console.rule(f"{name}, {time.monotonic() - began:.0f} s")
        console.print(table_of(found))
        figures += found
    return figures


def write_down(figures: list[Figure], document: Path) -> None:
    """Put the figures, with machine and date, between the marks of the document."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    heading = f"{datetime.now(UTC):%Y-%m-%d}, {machine}. Medians, and the range of the runs in brackets.\n\n"
    document.write_text(FIGURES.sub(lambda _: f"{heading}{markdown_of(figures)}\n", document.read_text()))
