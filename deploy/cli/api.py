"""A small client of the public API, for commands that act as a user would."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import orjson

PASSWORD = "correct horse battery 42"  # noqa: S105 - the demo's throw-away accounts
WAIT_SECONDS = 60

Found = TypeVar("Found")


class StepFailed(RuntimeError):
    """The platform did not do what the story needs; the message says what was seen."""


class Api:
    """One caller of the public API. Every unexpected answer raises StepFailed with the problem's own words."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        self._base_url, self.token = base_url, token

    def _headers(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {**own, **(extra or {})}

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: int = 200,
        headers: dict[str, str] | None = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        # A connection each: callers come and go in a story, and none has to be closed.
        url = f"{self._base_url}{path}"
        answer = httpx.request(method, url, json=body, headers=self._headers(headers), params=params, timeout=60)
        if answer.status_code != expect:
            raise StepFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
        is_json = "json" in answer.headers.get("content-type", "")
        return answer.json() if is_json and answer.content else answer

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, *, expect: int = 200, **options: Any) -> Any:
        return self.call("POST", path, body, expect=expect, **options)

    def events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events as (name, data) until the server ends the stream."""
        headers = self._headers({"Accept": "text/event-stream"})
        with httpx.stream("GET", f"{self._base_url}{path}", headers=headers, timeout=60) as answer:
            if answer.status_code != httpx.codes.OK:
                raise StepFailed(f"GET {path} answered {answer.status_code}.")
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    yield name, orjson.loads(line.removeprefix("data:"))

    def as_user(self, token: str) -> "Api":
        return Api(self._base_url, token)

    def mail_token(self, address: str) -> str:
        """The one-time token in the newest mail to the address."""

        def newest_link() -> str | None:
            mails = self.get("/dev/mail", params={"to": address})["items"]
            links = [link for mail in mails for link in mail["links"] if "token=" in link]
            return links[0] if links else None

        return eventually(f"a mail to {address}", newest_link).split("token=")[1].split("&")[0]

    def sign_up(self, name: str, *, referral_code: str | None = None) -> tuple["Api", str]:
        """A new, verified, signed-in user and their address."""
        address = f"{name}-{uuid4().hex[:8]}@example.com"
        body = {"email": address, "password": PASSWORD, "display_name": name.title(), "referral_code": referral_code}
        self.post("/v1/auth/signup", {key: value for key, value in body.items() if value}, expect=202)
        self.post("/v1/auth/verify", {"token": self.mail_token(address)}, expect=204)
        return self.log_in(address, PASSWORD), address

    def log_in(self, address: str, password: str) -> "Api":
        session = self.post("/v1/auth/login", {"email": address, "password": password})
        return self.as_user(session["session_token"])


def eventually(what: str, look: Callable[[], Found | None], *, seconds: float = WAIT_SECONDS) -> Found:
    """What `look` finds as soon as it is there. Services talk by events, so effects follow within moments."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    raise StepFailed(f"Waited {seconds:.0f} s for {what}, in vain.")
