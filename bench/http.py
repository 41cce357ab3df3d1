"""Authenticated requests through the embedded gateway, beside a bare app on the same Postgres."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import psycopg

from bench.board import Figure
from bench.load import Load, Request, load
from bench.settings import Settings
from deploy.embedded.postgres import start_postgres
from deploy.embedded.processes import free_port
from tests.support.platform import Platform

CONNECTIONS, USERS = 32, 8
WAIT_SECONDS = 30
# One machine plays all users, and the limits on how fast one may ask are not what is measured.
GENEROUS = {"ACCOUNTS_PRINCIPAL_BURST": "10000000", "ACCOUNTS_PRINCIPAL_PER_SECOND": "1000000"}


def measure(settings: Settings) -> list[Figure]:
    figures = [
        Figure("", "authenticated read, c32", "req/s", "bare FastAPI + SQLAlchemy, no identity"),
        Figure("A2", "authenticated read, c32", "req/s", "ASGI + psycopg, no identity", 0.30),
        Figure("A4", "authenticated write with outbox, c32", "req/s", "bare FastAPI + SQLAlchemy, no identity", 1.8),
        Figure("A5", "read: p99, reference its p50", "ms", "p50", 2, less_is_better=True),
        Figure("A5", "write: p99, reference its p50", "ms", "p50", 2, less_is_better=True),
        Figure("", "read p99", "ms", "bare app", less_is_better=True),
        Figure("", "write p99", "ms", "bare app", less_is_better=True),
    ]
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder, _platform(Path(folder)) as platform:
        reads, writes = _requests(platform)
        with _bare_app(Path(folder)) as port:
            note = httpx.post(f"http://127.0.0.1:{port}/notes", json={"words": "x" * 100}).json()["id"]
            for _ in range(settings.runs):
                ours, theirs = _turn(settings, platform.port, port, reads, writes, note)
                _enter(figures, ours, theirs)
    return figures


def _turn(
    settings: Settings, ours: int, theirs: int, reads: list[Request], writes: list[Request], note: str
) -> tuple[dict[str, Load], dict[str, Load]]:
    """Each kind of load on both sides, one after the other."""
    body = orjson.dumps({"words": "x" * 100})
    bare = {
        "read": [Request("GET", f"/notes/{note}")],
        "asgi": [Request("GET", f"/asgi/{note}")],
        "write": [Request("POST", "/notes", (("Content-Type", "application/json"),), body)],
    }

    def on(port: int, requests: list[Request]) -> Load:
        return asyncio.run(load(port, requests, connections=CONNECTIONS, seconds=settings.seconds))

    mine = {"read": on(ours, reads)}
    other = {"read": on(theirs, bare["read"]), "asgi": on(theirs, bare["asgi"])}
    mine["write"], other["write"] = on(ours, writes), on(theirs, bare["write"])
    return mine, other


def _enter(figures: list[Figure], ours: dict[str, Load], theirs: dict[str, Load]) -> None:
    pairs = [
        (ours["read"].rate, theirs["read"].rate),
        (ours["read"].rate, theirs["asgi"].rate),
        (ours["write"].rate, theirs["write"].rate),
        (ours["read"].p99, ours["read"].p50),
        (ours["write"].p99, ours["write"].p50),
        (ours["read"].p99, theirs["read"].p99),
        (ours["write"].p99, theirs["write"].p99),
    ]
    for figure, pair in zip(figures, pairs, strict=True):
        figure.add(*pair)


@contextmanager
def _platform(folder: Path) -> Iterator[Platform]:
    platform = Platform(folder / "home", free_port(), changes=GENEROUS)
    platform.start()
    try:
        yield platform
    finally:
        platform.stop()


def _requests(platform: Platform) -> tuple[list[Request], list[Request]]:
    """Reads and writes of several signed-in users."""
    reads, writes = [], []
    for number in range(USERS):
        user, _ = platform.api.sign_up(f"reader{number}")
        session = user.post("/v1/chat/sessions", {}, expect=201)["session"]
        caller = ("Authorization", f"Bearer {user.token}")
        reads.append(Request("GET", f"/v1/chat/sessions/{session['id']}", (caller,)))
        writes.append(Request("POST", "/v1/chat/sessions", (caller, ("Content-Type", "application/json")), b"{}"))
    return reads, writes


@contextmanager
def _bare_app(folder: Path) -> Iterator[int]:
    """The bare app on a database of its own in the platform's Postgres; yields its port."""
    server = start_postgres(folder / "home" / "postgres")
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE bare")
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.bare", server.url("bare"), str(port)])
    try:
        _wait_for(f"http://127.0.0.1:{port}/docs", process)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the bare app did not start")
