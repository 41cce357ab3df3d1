"""A Chromium for the page tests: the one given, the one found, or one installed or unpacked for the purpose."""

import os
import shutil
import subprocess
from pathlib import Path

from deploy.embedded.debian_packages import PackagesUnavailable, cache_folder, installed_packages, unpack

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class BrowserUnavailable(Exception):
    """There is no Chromium and none can be had; the message says what to run."""


def find_chromium() -> str:
    """Return the path of a Chromium that starts, installing it when root and unpacking it otherwise.

    Order: CHROMIUM, the PATH, apt-get install, the private copy. Raises BrowserUnavailable.
    """
    if given := os.environ.get("CHROMIUM"):
        return _require_start(given)
    for name in NAMES:
        if (found := shutil.which(name)) and starts(found):
            return found
    return _install() or _require_start(unpack_chromium(cache_folder()))


def starts(program: str) -> bool:
    """Tell a browser from Ubuntu's package of that name, which is only a script that asks for a snap."""
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return shown.returncode == 0 and "Chrom" in shown.stdout


def unpack_chromium(cache: Path) -> str:
    """Unpack the distribution's Chromium and the libraries that are missing here; needs apt-get but not root."""
    try:
        installed = installed_packages()
        root = unpack("chromium", lambda name: name.startswith("chromium") or name not in installed, cache / "chromium")
    except PackagesUnavailable as error:
        raise BrowserUnavailable(_advice(str(error))) from error
    return str(_write_launcher(root))


def _write_launcher(root: Path) -> Path:
    """Start the program itself: the distribution's script reads its settings from the system's folders."""
    libraries = ":".join(str(folder) for folder in (*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu")))
    launcher = root / "chromium"
    unfinished = root / f"chromium.{os.getpid()}"
    unfinished.write_text(
        "#!/bin/sh\n"
        f"export LD_LIBRARY_PATH='{libraries}'${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\n"
        f"exec '{root}/usr/lib/chromium/chromium' ${{1+\"$@\"}}\n"
    )
    unfinished.chmod(0o755)
    return unfinished.replace(launcher)


def _install() -> str | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        done = subprocess.run(["apt-get", "-qq", *arguments], env=environment, capture_output=True, check=False)
        if done.returncode != 0:
            return None
    found = shutil.which("chromium")
    return found if found and starts(found) else None


def _require_start(program: str) -> str:
    if not starts(program):
        raise BrowserUnavailable(_advice(f"{program} does not start"))
    return program


def _advice(reason: str) -> str:
    return (
        f"no Chromium ({reason}): run `apt-get install --no-install-recommends chromium`, `dnf install chromium` or "
        "`brew install --cask chromium`, or set CHROMIUM to the program of one you have"
    )
