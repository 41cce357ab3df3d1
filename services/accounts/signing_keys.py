"""The keys that sign identity tokens: one signs, the next one is already published, the last one still verifies.

Both files live in one folder that replicas share: `signing-keys.json` (mode 0600) and the public `jwks.json`, which
services on the same machine read directly. Because a key is published a whole rotation before it signs, no verifier
ever meets an unknown one.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from joserfc import jwt
from joserfc.jwk import OKPKey

from shared.identity import ALGORITHM, TOKEN_TYPE
from shared.ids import new_id

# Longer than any token lives and any verifier caches its copy of the key set.
RETIRED_STAYS_PUBLISHED = timedelta(hours=1)

Jwk = dict[str, Any]


class SigningKeys:
    """Signs with the folder's current key and follows rotations that other processes make. Times are wall time."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._secret = folder, folder / "signing-keys.json"
        self._public = folder / "jwks.json"
        self._read_at_ns = -1
        self._ensure()

    def sign(self, claims: dict[str, Any]) -> str:
        self._follow()
        return jwt.encode(self._header, claims, self._key, algorithms=[ALGORITHM])

    def jwks(self) -> dict[str, Any]:
        """The public keys: current, next, and those whose tokens may still be around."""
        document: dict[str, Any] = orjson.loads(self._public.read_bytes())
        return document

    def rotate(self, *, now: datetime | None = None) -> None:
        """The next key signs from now on; a new next one is published."""
        with self._locked():
            self._rotate(_now(now))

    def rotate_if_older(self, age: timedelta, *, now: datetime | None = None) -> bool:
        """Rotate unless the current key, or another replica's rotation, is younger than `age`."""
        with self._locked():
            moment, state = _now(now), self._load()
            due = datetime.fromisoformat(state["since"]) + age <= moment
            if due:
                self._rotate(moment)
            return due

    def _rotate(self, now: datetime) -> None:
        state = self._load()
        retired = [*state["retired"], {"key": _public(state["current"]), "at": now.isoformat()}]
        oldest = (now - RETIRED_STAYS_PUBLISHED).isoformat()
        self._store(
            {
                "current": state["next"],
                "next": _new_key(),
                "retired": [entry for entry in retired if entry["at"] > oldest],
                "since": now.isoformat(),
            }
        )

    def _ensure(self) -> None:
        with self._locked():
            if not self._secret.exists():
                state = {"current": _new_key(), "next": _new_key(), "retired": [], "since": _now(None).isoformat()}
                self._store(state)
            elif not self._public.exists():
                self._store(self._load())

    def _load(self) -> dict[str, Any]:
        state: dict[str, Any] = orjson.loads(self._secret.read_bytes())
        return state

    def _store(self, state: dict[str, Any]) -> None:
        """Public before secret: a key is never used before everybody can know it."""
        published = [state["current"], state["next"], *(entry["key"] for entry in state["retired"])]
        _replace(self._public, {"keys": [_public(key) for key in published]}, mode=0o644)
        _replace(self._secret, state, mode=0o600)

    def _follow(self) -> None:
        changed_at_ns = self._secret.stat().st_mtime_ns
        if changed_at_ns != self._read_at_ns:
            self._key = OKPKey.import_key(self._load()["current"])
            self._header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": self._key.kid}
            self._read_at_ns = changed_at_ns

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _new_key() -> Jwk:
    key = OKPKey.generate_key("Ed25519", {"kid": str(new_id()), "use": "sig", "alg": ALGORITHM})
    return dict(key.as_dict(private=True))


def _public(key: Jwk) -> Jwk:
    return {name: value for name, value in key.items() if name != "d"}


def _replace(path: Path, content: dict[str, Any], *, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content))
    draft.chmod(mode)
    draft.replace(path)


def _now(given: datetime | None) -> datetime:
    return given or datetime.now(UTC)
