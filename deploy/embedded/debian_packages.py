"""Unpack Debian packages into a private folder: no root, no installation, nothing outside the folder is touched."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path


class PackagesUnavailable(Exception):
    """The packages cannot be had this way here; the message says why."""


def cache_folder() -> Path:
    """Return where unpacked programs are kept between runs and checkouts: ATELIER_CACHE or ~/.cache/atelier."""
    given = os.environ.get("ATELIER_CACHE")
    return Path(given).absolute() if given else Path.home() / ".cache" / "atelier"


def installed_packages() -> set[str]:
    shown = _run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n"], Path("/"))
    return {line.split()[1] for line in shown.splitlines() if line.startswith("ii")}


def unpack(package: str, wanted: Callable[[str], bool], folder: Path) -> Path:
    """Download `package` and those of its dependencies whose name is wanted, and unpack them below `folder`.

    What is installed here plays no part, so the folder is complete in itself. Returns at once when the folder exists:
    it is renamed into place only when it is whole. Raises PackagesUnavailable.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                _unpack_aside(package, wanted, folder)
    except OSError as error:
        raise PackagesUnavailable(f"cannot write to {folder} ({error.strerror}): set ATELIER_CACHE") from error
    return folder


def _unpack_aside(package: str, wanted: Callable[[str], bool], folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as place:
        work = Path(place)
        root = work / "root"
        root.mkdir()
        for archive in _download(package, wanted, work):
            _run(["dpkg-deb", "-x", str(archive), str(root)], work)
        root.rename(folder)


def _download(package: str, wanted: Callable[[str], bool], work: Path) -> list[Path]:
    """Use the system's package lists where they are good, and otherwise fetch lists of our own."""
    (work / "status").touch()
    archives = work / "archives"
    archives.mkdir()
    try:
        return _download_with(["-o", f"Dir::State::status={work}/status"], package, wanted, archives)
    except PackagesUnavailable:
        options = _private_lists(work)
        _run(["apt-get", *options, "update"], work)
        return _download_with(options, package, wanted, archives)


def _download_with(options: Sequence[str], package: str, wanted: Callable[[str], bool], archives: Path) -> list[Path]:
    quiet = ["apt-get", "-qq", *options, "-o", "APT::Sandbox::User="]
    planned = _run([*quiet, "install", "-s", "--no-install-recommends", package], archives)
    names = [name for name in re.findall(r"^Inst (\S+)", planned, re.MULTILINE) if wanted(name)]
    if not names:
        raise PackagesUnavailable(f"apt-get plans to install nothing for {package}")
    _run([*quiet, "download", *names], archives)
    return sorted(archives.glob("*.deb"))


def _private_lists(work: Path) -> list[str]:
    for name in ("lists/partial", "cache/archives/partial"):
        (work / name).mkdir(parents=True)
    places = {
        "Dir::State::status": work / "status",
        "Dir::State::lists": work / "lists",
        "Dir::Cache": work / "cache",
        "Dir::Cache::archives": work / "cache" / "archives",
    }
    return [part for name, place in places.items() for part in ("-o", f"{name}={place}")]


def _run(command: Sequence[str], folder: Path) -> str:
    if not shutil.which(command[0]):
        raise PackagesUnavailable(f"this is not Debian or Ubuntu: there is no {command[0]}")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackagesUnavailable(f"`{command[0]}` failed: {done.stderr.strip()[-1000:]}")
    return done.stdout
