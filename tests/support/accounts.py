"""Users made the way users are made: through HTTP, the mail that arrives, and the gateway's own verification."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from services.accounts.app import service
from services.accounts.usecases import create_admin
from services.accounts.verification import verify
from shared.http import problem_response
from shared.identity import IDENTITY_HEADER, FileKeys, Verifier
from tests.support.services import PUBLIC_URL, RunningService, running_service

PASSWORD = "correct horse battery 42"
# Hashes as cheap as argon2 allows: most tests are not about them.
CHEAP = {"argon2_memory_kib": 8, "argon2_time_cost": 1, "quiet_answer_seconds": 0}


@asynccontextmanager
async def running_accounts(folder: Path, **settings: Any) -> AsyncIterator[RunningService]:
    """Accounts with signing keys in `folder`, trusting the tokens that it mints itself."""
    values = {**CHEAP, "keys_folder": str(folder), "fingerprint_secret": "tests-fingerprint-with-this", **settings}
    async with running_service(service, **values) as svc:
        svc.app.state.verifier = Verifier("accounts", FileKeys(folder / "jwks.json"))
        yield svc


class Gateway:
    """What a gateway does with a request for accounts: ask `verify`, forward the token or the refusal."""

    def __init__(self, svc: RunningService, client_ip: str) -> None:
        self._svc, self._client_ip = svc, client_ip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        answer = await verify(
            self._svc.runtime,
            audience="accounts",
            method=scope["method"],
            path=scope["path"],
            headers=headers,
            client_ip=self._client_ip,
        )
        if answer.problem is not None:
            await problem_response(answer.problem, None)(scope, receive, send)
            return
        token = answer.headers.get(IDENTITY_HEADER)
        extra = [(IDENTITY_HEADER.lower().encode(), token.encode())] if token else []
        app: ASGIApp = self._svc.app
        forwarded = {**scope, "headers": [*scope["headers"], *extra], "client": (self._client_ip, 4711)}
        await app(forwarded, receive, send)


def through_gateway(svc: RunningService, secret: str | None = None, *, client_ip: str = "198.51.100.7", **headers: str):
    """A client whose requests pass verification, with a session token or API key as bearer."""
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    transport = httpx.ASGITransport(Gateway(svc, client_ip), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers)


@dataclass
class Account:
    """A registered user: what they know, and a client that is signed in."""

    id: UUID
    email: str
    token: str
    client: httpx.AsyncClient
    password: str = PASSWORD
    body: dict[str, Any] = field(default_factory=dict)


async def mails(svc: RunningService, to: str | None = None) -> list[dict[str, Any]]:
    """What the mailer has sent after everything due was handled, newest first."""
    # The harness's transport delivers nothing, and the inbox takes each event once however often it is given.
    await svc.bus.inbox.store(await svc.published("mail.requested"))
    await svc.bus.drain()
    return [mail for mail in sent_mails(svc) if to in {None, mail["to"]}]


def sent_mails(svc: RunningService) -> list[dict[str, Any]]:
    """What has been sent until now, newest first."""
    folder: Path = svc.runtime.mailer._folder
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"), reverse=True)]


async def mail_token(svc: RunningService, to: str) -> str:
    """The one-time token in the newest mail with a link that carries one."""
    links = [link for mail in await mails(svc, to) for link in mail["links"] if "token=" in link]
    return links[0].split("token=")[1]


async def sign_up(svc: RunningService, email: str, *, password: str = PASSWORD, **body: Any) -> httpx.Response:
    async with through_gateway(svc) as client:
        return await client.post("/v1/auth/signup", json={"email": email, "password": password, **body})


async def log_in(svc: RunningService, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
    async with through_gateway(svc, **headers) as client:
        return await client.post("/v1/auth/login", json={"email": email, "password": password})


async def account_of(svc: RunningService, email: str, password: str = PASSWORD) -> Account:
    """Another signed-in session of an existing user."""
    answer = await log_in(svc, email, password)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    token = body["session_token"]
    return Account(UUID(body["user"]["id"]), email, token, through_gateway(svc, token), password, body["user"])


async def register(svc: RunningService, email: str | None = None, *, password: str = PASSWORD, **body: Any) -> Account:
    """Sign up, confirm by the mail that arrives, and log in."""
    email = email or f"user-{uuid4().hex[:10]}@example.com"
    answer = await sign_up(svc, email, password=password, **body)
    assert answer.status_code == 202, answer.text
    token = await mail_token(svc, email)
    async with through_gateway(svc) as client:
        answer = await client.post("/v1/auth/verify", json={"token": token})
        assert answer.status_code == 204, answer.text
    return await account_of(svc, email, password)


async def register_admin(svc: RunningService, email: str | None = None) -> Account:
    """An administrator made by the use case of the command line, logged in."""
    email = email or f"admin-{uuid4().hex[:10]}@example.com"
    async with svc.runtime.database.write() as session:
        await create_admin(session, email, PASSWORD, now=svc.clock.now(), settings=svc.runtime.settings)
    return await account_of(svc, email)
