"""`./atelier up` until all five services answer, cold and warm, beside what of it is not ours to shorten."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.board import Figure
from bench.settings import Settings
from deploy.embedded.postgres import start_postgres
from deploy.embedded.processes import free_port
from tests.support.platform import Platform

# A route of each service that needs its database.
ROUTES = ("/v1/billing/plans", "/v1/faq", "/v1/tools", "/.well-known/jwks.json", "/healthz")
IMPORTS = "import deploy.services, deploy.local.server"
# Where it is set, every start compiles every module anew, which no installation does.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}


def measure(settings: Settings) -> list[Figure]:
    parts = "Postgres and imports alone"
    cold = Figure("", "start with a new data folder", "s", parts, less_is_better=True)
    warm = Figure("", "start with its data folder", "s", parts, less_is_better=True)
    for _ in range(min(settings.runs, 3)):
        with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
            home = Path(folder) / "home"
            cold.add(_seconds_to_start(home), _seconds_of_the_parts(Path(folder)))
            warm.add(_seconds_to_start(home), _seconds_of_the_parts(Path(folder)))
    return [cold, warm]


def _seconds_to_start(home: Path) -> float:
    platform = Platform(home, free_port(), changes=COMPILED)
    began = time.perf_counter()
    try:
        platform.start()
        for route in ROUTES:
            httpx.get(f"{platform.url}{route}").raise_for_status()
        return time.perf_counter() - began
    finally:
        platform.stop()


def _seconds_of_the_parts(folder: Path) -> float:
    """The server's start, its data folder made when it is new, and a Python that imports the platform."""
    began = time.perf_counter()
    with _postgres(folder / "alone"):
        subprocess.run([sys.executable, "-c", IMPORTS], check=True, env=os.environ | COMPILED)
        return time.perf_counter() - began


@contextmanager
def _postgres(folder: Path) -> Iterator[None]:
    server = start_postgres(folder)
    try:
        yield
    finally:
        server.stop()
