"""The surface as promised: what is built, what is not yet, what bad input gets, and what a dump of it all holds."""

import logging

import pytest
import structlog

from services.accounts.app import service
from shared.routing import access_of
from tests.support.accounts import mails, register, register_admin, through_gateway

BUILT = """
POST /v1/auth/signup  POST /v1/auth/verify  POST /v1/auth/verify/resend  POST /v1/auth/login  POST /v1/auth/logout
POST /v1/auth/reauth  POST /v1/auth/password/forgot  POST /v1/auth/password/reset
GET /v1/me  PATCH /v1/me  POST /v1/me/password  GET /v1/me/sessions  DELETE /v1/me/sessions
DELETE /v1/me/sessions/{session_id}  GET /v1/me/api-keys  POST /v1/me/api-keys  GET /v1/me/api-keys/{key_id}
PATCH /v1/me/api-keys/{key_id}  DELETE /v1/me/api-keys/{key_id}  POST /v1/me/api-keys/{key_id}/rotate
GET /v1/me/usage  GET /v1/me/usage/history  GET /v1/users/{handle}  GET /.well-known/jwks.json
GET /v1/admin/accounts/users  GET /v1/admin/accounts/users/{user_id}  PATCH /v1/admin/accounts/users/{user_id}
POST /v1/admin/accounts/users/{user_id}/disable  POST /v1/admin/accounts/users/{user_id}/enable
POST /v1/admin/accounts/users/{user_id}/revoke-sessions
POST /v1/auth/login/2fa  GET /v1/me/factors  POST /v1/me/factors  POST /v1/me/factors/{factor_id}/confirm
DELETE /v1/me/factors/{factor_id}  POST /v1/me/recovery-codes
DELETE /v1/me  GET /v1/me/deletion  POST /v1/me/deletion/cancel
"""
LATER = [
    ("GET", "/v1/auth/oauth/github/start"),
    ("POST", "/v1/me/email"),
    ("GET", "/v1/me/audit"),
    ("GET", "/v1/me/export"),
    ("DELETE", "/v1/me/identities/github"),
    ("GET", "/v1/admin/accounts/audit"),
    ("POST", "/v1/admin/accounts/users/01890000-0000-7000-8000-000000000000/impersonate"),
]


async def test_exactly_what_is_built_is_documented(svc):
    paths = (await svc.client().get("/internal/openapi.json")).json()["paths"]
    documented = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert documented == {entry.strip() for line in BUILT.splitlines() for entry in line.split("  ") if entry.strip()}


@pytest.mark.parametrize(("method", "path"), LATER)
async def test_what_comes_later_is_not_there_yet(shared_svc, method, path):
    admin = await register_admin(shared_svc)
    assert (await admin.client.request(method, path, json={})).status_code == 404


def test_every_route_names_its_policy():
    assert all(access_of(route) is not None for route in service.router.routes)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b"null", 422),
        (b'{"email": 7, "password": []}', 422),
        (b'{"email": "a@b.io", "password": "\\ud800 lone surrogate"}', 422),
        (b'{"email": "a@b.io", "password": "\\u0000 eight characters"}', 401),
        (b'{"email": "a@b.io", "password": "' + b"x" * 5000 + b'"}', 422),
        (b'{"email": "a@b.io", "password": "' + b"x" * 70_000 + b'"}', 413),
        (b"[" * 10_000, 400),
    ],
)
async def test_bad_bodies_get_a_clear_problem_and_never_a_500(shared_svc, content, status):
    async with through_gateway(shared_svc) as client:
        answer = await client.post("/v1/auth/login", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


@pytest.fixture
def captured_logs():
    records: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record):
            records.append(self.format(record))

    handler = Collect()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    yield records
    root.setLevel(level)
    root.removeHandler(handler)


async def test_neither_the_database_nor_the_logs_hold_a_secret_that_was_given_out(svc, captured_logs):
    account = await register(svc, display_name="Canary")
    client = account.client
    made = (await client.post("/v1/me/api-keys", json={"name": "x", "scopes": ["jobs:read"]})).json()["key"]
    rotated = (await client.post(f"/v1/me/api-keys/{made[8:16]}/rotate")).json()["key"]
    await client.post("/v1/auth/password/forgot", json={"email": account.email})
    links = [link.split("token=")[1] for mail in await mails(svc) for link in mail["links"] if "token=" in link]
    login = await through_gateway(svc).post(
        "/v1/auth/login", json={"email": account.email, "password": account.password}
    )
    device = next(cookie for cookie in login.headers.get_list("set-cookie") if cookie.startswith("device="))
    device = device.split(";")[0].split("=", 1)[1]
    secrets = [account.token, login.json()["session_token"], device, made, rotated, *links, account.password]
    secrets += [key[16:48] for key in (made, rotated)]
    assert len(links) == 2
    dump = await _dump(svc)
    assert "Canary" in dump
    for secret in secrets:
        assert secret not in dump
        assert secret.encode().hex() not in dump
        assert not [line for line in captured_logs if secret in line]
    assert structlog.is_configured()


async def _dump(svc):
    tables = await svc.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [await svc.rows(f'SELECT t::text AS row FROM "{table["tablename"]}" t') for table in tables]
    return "\n".join(row["row"] for found in rows for row in found)
