"""Bad input to every route that writes, of every service: a problem that tells what is wrong, and nothing of ours."""

import re
import time
from contextlib import AsyncExitStack
from uuid import uuid4

import httpx
import pytest
from joserfc.jwk import OKPKey

from deploy.services import SERVICES
from shared.http import MEBIBYTE
from shared.identity import IDENTITY_HEADER
from shared.ids import new_id
from shared.routing import access_of
from tests.support.billing import open_shop
from tests.support.callers import identity_token
from tests.support.chat import chat_service
from tests.support.community import open_village
from tests.support.jobs import jobs_service
from tests.support.services import PUBLIC_URL, running_service

PROBLEM = "application/problem+json"
INTERNALS = re.compile(r"Traceback|psycopg|sqlalchemy|File \"|SELECT |/work/|site-packages", re.IGNORECASE)
ROUTES = [(service.name, route, method) for service in SERVICES for route in service.router.routes
          for method in sorted(route.methods)]  # fmt: skip


def named(entries):
    return [pytest.param(*entry, id=f"{entry[2]} {entry[1].path}") for entry in entries]


WITH_BODY = named(entry for entry in ROUTES if entry[1].body_field is not None)
CLOSED = named(entry for entry in ROUTES if access_of(entry[1]).kind == "user")
WITH_ID = named(
    entry for entry in ROUTES if any("UUID" in str(parameter.field_info.annotation)
                                     for parameter in entry[1].dependant.path_params)
)  # fmt: skip
BODIES = {
    "malformed": b'{"a": ',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "a list": b"[]",
    "a number": b"5",
    "nothing": b"null",
    "deep": b"[" * 30_000 + b"]" * 30_000,
    "a huge number": b'{"a": ' + b"9" * 10_000 + b"}",
    "a lone surrogate": b'{"content": "\\ud800", "title": "\\ud800", "name": "\\ud800", "email": "\\ud800"}',
}
STRANGER_KEY = OKPKey.generate_key("Ed25519", {"kid": "test", "use": "sig"})


@pytest.fixture(scope="module")
async def running(tmp_path_factory):
    """Every service, by name."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        accounts = next(service for service in SERVICES if service.name == "accounts")
        keys = {"keys_folder": str(tmp_path_factory.mktemp("keys")), "fingerprint_secret": "tests"}
        yield {
            "accounts": await enter(running_service(accounts, **keys)),
            "billing": (await enter(open_shop())).svc,
            "chat": await enter(chat_service()),
            "community": (await enter(open_village())).svc,
            "jobs": await enter(jobs_service()),
        }


async def ask(svc, method, path, token, **options):
    headers = {"Content-Type": "application/json", "If-Match": '"1"', **options.pop("headers", {})}
    headers |= {IDENTITY_HEADER: token} if token else {}
    transport = httpx.ASGITransport(svc.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        return await client.request(method, path, headers=headers, **options)


def staff(name, **claims):
    return identity_token(name, new_id(), roles=["user", "admin"], **claims)


def path_of(route, value=None):
    return re.sub(r"{[^}]*}", value or str(uuid4()), route.path)


def assert_problem(answer, *statuses):
    assert answer.status_code in statuses, answer.text[:500]
    assert answer.headers["content-type"] == PROBLEM
    body = answer.json()
    assert {"code", "type", "title", "status", "request_id"} <= set(body)
    assert body["status"] == answer.status_code
    assert body["type"] == f"/problems/{body['code']}"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert not INTERNALS.search(answer.text), answer.text


@pytest.mark.parametrize(("name", "route", "method"), WITH_BODY)
async def test_a_body_that_is_none_is_refused(running, name, route, method):
    for what, body in BODIES.items():
        answer = await ask(running[name], method, path_of(route), staff(name), content=body)
        assert answer.status_code < 500, (what, answer.text)
        if what in {"malformed", "not UTF-8"}:
            assert_problem(answer, 400)
        elif answer.is_error:
            # A missing object may be noticed before a wrong body, and where a body is optional null is one.
            assert_problem(answer, 400, 403, 404, 409, 412, 422)


@pytest.mark.parametrize(("name", "route", "method"), WITH_BODY)
async def test_a_body_over_the_limit_is_refused_unread(running, name, route, method):
    limits = running[name].service.body_limits
    prefix = max((prefix for prefix in limits if route.path.startswith(prefix)), key=len, default=None)
    limit = limits[prefix] if prefix else MEBIBYTE
    answer = await ask(running[name], method, path_of(route), staff(name), content=b"x" * (limit + 1))
    assert_problem(answer, 413)


@pytest.mark.parametrize(("name", "route", "method"), CLOSED)
async def test_a_forged_identity_is_nobody(running, name, route, method):
    other = next(service.name for service in SERVICES if service.name != name)
    past = int(time.time()) - 3600
    forged = {
        "none": None,
        "plain text": "admin",
        "another key": identity_token(name, key=STRANGER_KEY, roles=["user", "admin"]),
        "another audience": staff(other),
        "expired": staff(name, iat=past, exp=past + 60),
        "no algorithm": "eyJhbGciOiJub25lIn0." + staff(name).split(".")[1] + ".",
    }
    for token in forged.values():
        aliases = {"X-User-Id": str(uuid4()), "X-Roles": "admin", "X_Identity_Token": staff(name)}
        assert_problem(await ask(running[name], method, path_of(route), token, headers=aliases), 401)


@pytest.mark.parametrize(("name", "route", "method"), WITH_ID)
async def test_ids_that_are_none_and_path_tricks_are_refused(running, name, route, method):
    for trick in ("1", "not-an-id", "%00", "..%2f..%2fetc%2fpasswd", "%ff", "' OR 1=1--", "9" * 5000):
        answer = await ask(running[name], method, path_of(route, trick), staff(name))
        assert_problem(answer, 400, 404, 405, 422)
