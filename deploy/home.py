"""The data folder of a local installation: its secrets, its files, and the environment that services read."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

DEFAULT_FOLDER = ".atelier"
DEFAULT_PORT = 8000


class AlreadyRunning(RuntimeError):
    """Another process of ours serves from this folder."""


@dataclass(frozen=True, slots=True)
class Home:
    """Everything a local installation keeps. Deleting the folder is starting anew."""

    folder: Path
    port: int

    @property
    def public_url(self) -> str:
        return os.environ.get("PUBLIC_URL") or f"http://127.0.0.1:{self.port}"

    @property
    def mail(self) -> Path:
        return self.folder / "mail"

    @property
    def clock(self) -> Path:
        return self.folder / "clock"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def secret(self, name: str) -> str:
        """The secret of this name, made on first use and kept with mode 0600."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / "secrets.json"
        with _locked(self.folder / "secrets.lock"):
            known = orjson.loads(path.read_bytes()) if path.exists() else {}
            if name not in known:
                known[name] = secrets.token_urlsafe(32)
                draft = path.with_suffix(".draft")
                draft.touch(mode=0o600)
                draft.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2))
                draft.replace(path)
        return str(known[name])

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder for this process. Raises AlreadyRunning; a killed owner leaves no lock behind."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / "up.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunning(f"Atelier already runs from {self.folder}.") from error
            yield

    def variables(self) -> dict[str, str]:
        """What services read in a local environment, besides their database URLs. The user's own settings win."""
        twin = f"{self.public_url}/twin/stripe"
        defaults = {
            "ATELIER_ENV": "local",
            "ATELIER_HOME": str(self.folder),
            "PUBLIC_URL": self.public_url,
            "ATELIER_SIGNING_SECRET": self.secret("signing"),
            "ACCOUNTS_KEYS_FOLDER": str(self.keys),
            "ACCOUNTS_FINGERPRINT_SECRET": self.secret("fingerprint"),
            "ACCOUNTS_FACTOR_SECRET": self.secret("factors"),
            "IDENTITY_JWKS": str(self.keys / "jwks.json"),
            "STORAGE_URL": str(self.folder / "files"),
            "STRIPE_WEBHOOK_SECRET": f"whsec_{self.secret('stripe_webhook')}",
        }
        if not os.environ.get("STRIPE_SECRET_KEY"):
            defaults |= {"STRIPE_SECRET_KEY": "sk_test_twin", "STRIPE_API_BASE": twin}
        return {**defaults, **{name: os.environ[name] for name in defaults if os.environ.get(name)}}


def home_from_environment() -> Home:
    """The data folder (`ATELIER_HOME`) and port (`ATELIER_PORT`) the user chose."""
    folder = Path(os.environ.get("ATELIER_HOME") or DEFAULT_FOLDER).absolute()
    return Home(folder, int(os.environ.get("ATELIER_PORT") or DEFAULT_PORT))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
