"""The whole platform as a user runs it: `up` in a process of its own, entered over HTTP only."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deploy.cli.api import Api
from deploy.embedded.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
# What would make the started platform use something else than its own parts.
OUTSIDE = ("DATABASE_URL", "AMQP_URL", "STRIPE_SECRET_KEY", "PUBLIC_URL", "ATELIER_ENV")


@dataclass
class Platform:
    """One installation: its folder, its port, and the process that serves it."""

    home: Path
    port: int
    options: tuple[str, ...] = ()
    changes: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> Api:
        return Api(self.url)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
        kept = {name: value for name, value in kept.items() if not name.endswith("_DATABASE_URL")}
        return {
            **kept,
            "ATELIER_HOME": str(self.home),
            "ATELIER_PORT": str(self.port),
            "COLUMNS": "160",
            **self.changes,
        }

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "up.log").open("ab") as log:
            command = [sys.executable, "-m", "deploy.cli", "up", *self.options]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                break
            if self.answers("/healthz") and self.answers("/v1/billing/plans") and self.answers("/v1/faq"):
                return
            time.sleep(0.05)
        raise AssertionError(f"the platform did not start:\n{(self.home / 'up.log').read_text()[-4000:]}")

    def answers(self, path: str) -> bool:
        try:
            return httpx.get(f"{self.url}{path}", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C or an init system would; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """Pull the plug: the serving process and all of its session at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def run(self, *arguments: str, timeout: float = 180, **options) -> "subprocess.CompletedProcess[str]":
        """Run a command line of ours against this installation."""
        command = [sys.executable, "-m", "deploy.cli", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False,
            **options,
        )  # fmt: skip


@contextmanager
def running_platform(home: Path, *options: str, **changes: str) -> Iterator[Platform]:
    """`changes` are environment variables that the platform is started with."""
    platform = Platform(home, free_port(), options, changes)
    try:
        platform.start()
        yield platform
    finally:
        if platform.process is not None and platform.process.poll() is None:
            assert platform.stop() == 0, "the platform did not end by itself"
