"""Fills the engines' folder from its lock: all or nothing, and only once however many try."""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.jobs.engines import extras

FAILED = "Its programs could not be installed; ./atelier engines install tells why."


class InstallFailed(RuntimeError):
    """The packages could not be had; the message is the installer's."""


def install() -> bool:
    """Install what the lock says, unless it is there. Returns whether anything was done. Raises InstallFailed."""
    place = extras.folder()
    place.mkdir(parents=True, exist_ok=True)
    with _alone(place):
        if extras.is_ready():
            return False
        try:
            _fill(place)
        except Exception:
            (place / "failed").write_text(FAILED)
            raise
        (place / "failed").unlink(missing_ok=True)
        return True


def _fill(place: Path) -> None:
    """The new packages take the old ones' place at once; a run that has the old ones open keeps them."""
    draft, packages = place / "draft", place / "packages"
    # What a killed installation left; nobody else is at it, since we hold the lock.
    shutil.rmtree(draft, ignore_errors=True)
    _run([*_installer(), "--target", str(draft), "--no-deps", "--require-hashes", "--only-binary", ":all:"])
    (place / "stamp").unlink(missing_ok=True)
    shutil.rmtree(packages, ignore_errors=True)
    draft.rename(packages)
    written = place / "stamp.new"
    written.write_text(extras.stamp())
    written.replace(place / "stamp")


def _installer() -> list[str]:
    """Uv where there is one: the user's, or the one that made our environment; else pip."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        return [uv, "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]


def _run(command: list[str]) -> None:
    ended = subprocess.run(  # noqa: S603 - our own installer, with our own lock
        [*command, "-r", str(extras.LOCK)], capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise InstallFailed((ended.stderr or ended.stdout).strip()[-2000:])


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
