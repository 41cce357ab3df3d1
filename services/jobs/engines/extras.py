"""The heavy engines' own packages, which come after the start and into a folder of their own.

`./atelier engines install` fills the folder; until then the tools that need it are not available, and say why.
"""

import fcntl
import hashlib
import os
import sys
from functools import cache
from pathlib import Path

LOCK = Path(__file__).resolve().parents[3] / "requirements-engines.lock"
FOLDER_VARIABLE = "JOBS_ENGINES_FOLDER"
BUSY = "Its programs are being installed."


def folder() -> Path:
    """Where the packages are; beside the lock, unless JOBS_ENGINES_FOLDER says otherwise."""
    return Path(os.environ.get(FOLDER_VARIABLE) or LOCK.with_name(".engines"))


@cache
def stamp() -> str:
    """What the folder's stamp must say: which lock it holds, and for which Python."""
    return f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} {sys.implementation.cache_tag}"


def is_ready() -> bool:
    """Whether the packages of the present lock are there; the stamp is written last."""
    try:
        return (folder() / "stamp").read_text() == stamp()
    except FileNotFoundError:
        return False


def reason() -> str:
    """Why they are not there, for users."""
    if _is_being_filled():
        return BUSY
    try:
        return (folder() / "failed").read_text()
    except FileNotFoundError:
        return "Its programs are not installed yet."


def _is_being_filled() -> bool:
    """Whether somebody holds the folder's lock; it ends with its holder, however that ends."""
    try:
        with (folder() / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def join() -> None:
    """Let this process import the packages. Ours come first, so that theirs never replace one of them."""
    place = str(folder() / "packages")
    if place not in sys.path:
        sys.path.append(place)
