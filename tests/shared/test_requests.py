"""What every request to every service may rely on."""

import time

import pytest
from joserfc.jwk import OKPKey

from shared.identity import IDENTITY_HEADER
from shared.ids import new_id
from tests.support.callers import identity_token

PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/v1/nothing", {}, 404, "not_found"),
        ("PUT", "/v1/notes-open", {}, 405, "method_not_allowed"),
        ("POST", "/v1/notes", {"content": b"{"}, 400, "bad_request"),
        ("POST", "/v1/notes", {"content": b"\xff\xfe"}, 400, "bad_request"),
        ("POST", "/v1/notes", {"json": {"words": 5}}, 422, "invalid"),
        ("POST", "/v1/notes", {"json": []}, 422, "invalid"),
        ("POST", "/v1/notes", {"json": {"words": "a\x00b"}}, 422, "invalid"),
        ("POST", "/v1/notes", {"content": b"x" * 1_100_000}, 413, "too_large"),
        ("GET", "/v1/notes/not-an-id", {}, 422, "invalid"),
        ("GET", "/v1/notes/01a20689-c616-7210-8814-812b3690b5f8", {}, 404, "not_found"),
        ("POST", "/v1/notes-conflict", {}, 409, "conflict"),
        ("POST", "/v1/notes-broken", {}, 500, "internal"),
        ("POST", "/v1/notes-late", {}, 409, "conflict"),
    ],
)
async def test_every_refusal_is_a_problem_with_a_request_id_and_no_internals(
    notes, method, path, options, status, code
):
    async with notes.client(new_id()) as client:
        answer = await client.request(method, path, headers={"content-type": "application/json"}, **options)
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert "secret internals" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_chunked_body_over_the_limit_is_refused_too(notes):
    async def endless():
        for _ in range(20):
            yield b"x" * 100_000

    async with notes.client(new_id()) as client:
        answer = await client.post("/v1/notes", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


async def test_a_well_formed_request_id_is_kept_and_a_forged_one_is_replaced(notes):
    async with notes.client() as client:
        kept = await client.get("/v1/notes-open", headers={"X-Request-Id": "abcdef-123456"})
        replaced = await client.get("/v1/notes-open", headers={"X-Request-Id": "bad id\t!"})
    assert kept.headers["x-request-id"] == "abcdef-123456"
    assert replaced.headers["x-request-id"] != "bad id\t!"


async def test_a_read_session_cannot_write(notes):
    async with notes.client() as client:
        answer = await client.get("/v1/notes-write-through-read")
    assert answer.status_code == 500


async def test_a_commit_that_fails_is_no_success_and_publishes_nothing(notes):
    async with notes.client(new_id()) as client:
        first = await client.post("/v1/notes", json={"words": "same"})
        second = await client.post("/v1/notes", json={"words": "same"})
    assert (first.status_code, second.status_code) == (201, 409)
    assert len(await notes.published("forum.topic_created")) == 1


async def test_the_same_key_and_body_replay_the_first_answer(notes):
    async with notes.client(new_id()) as client:
        headers = {"Idempotency-Key": "key-1"}
        first = await client.post("/v1/notes", json={"words": "once"}, headers=headers)
        again = await client.post("/v1/notes", json={"words": "once"}, headers=headers)
        other = await client.post("/v1/notes", json={"words": "other"}, headers=headers)
    assert again.status_code == first.status_code == 201
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert other.status_code == 409
    assert len(await notes.published("forum.topic_created")) == 1


async def test_a_key_belongs_to_its_caller(notes):
    headers = {"Idempotency-Key": "key-2"}
    async with notes.client(new_id()) as one, notes.client(new_id()) as other:
        first = await one.post("/v1/notes", json={"words": "mine"}, headers=headers)
        second = await other.post("/v1/notes", json={"words": "theirs"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)


FORGED = {
    "another audience": {"aud": "billing"},
    "another issuer": {"iss": "somebody"},
    "expired": {"exp": int(time.time()) - 60},
    "from the future": {"nbf": int(time.time()) + 600},
}


@pytest.mark.parametrize("claims", FORGED.values(), ids=FORGED)
async def test_a_token_that_is_not_for_us_is_refused(notes, claims):
    async with notes.client(new_id(), **claims) as client:
        answer = await client.get("/v1/notes-open")
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "header",
    [{"typ": "JWT"}, {"kid": "unknown"}, {"jku": "http://127.0.0.1/keys"}],
    ids=["wrong type", "unknown key", "key by url"],
)
async def test_a_token_with_a_forged_header_is_refused(notes, header):
    stranger = OKPKey.generate_key("Ed25519", {"kid": header.get("kid", "test")})
    key = stranger if "typ" not in header else None
    options = {"key": key} if key else {}
    token = identity_token(notes.service.name, new_id(), header=header, **options)
    async with notes.client() as client:
        answer = await client.get("/v1/notes-open", headers={IDENTITY_HEADER: token})
    assert answer.status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."])
async def test_rubbish_is_not_anonymous(notes, token):
    async with notes.client() as client:
        answer = await client.get("/v1/notes/1", headers={IDENTITY_HEADER: token})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("claims", "method", "path", "status"),
    [
        ({"scopes": ["community:read"]}, "POST", "/v1/notes", 403),
        ({"scopes": ["community:write"]}, "POST", "/v1/notes", 201),
        ({"scopes": ["community:write"]}, "POST", "/v1/notes-fresh", 403),
        ({"email_verified": False}, "POST", "/v1/notes", 403),
        ({}, "DELETE", "/v1/notes-admin", 403),
        ({"roles": ["user", "admin"]}, "DELETE", "/v1/notes-admin", 204),
        ({"roles": ["admin"], "auth_time": int(time.time()) - 3600}, "DELETE", "/v1/notes-admin", 403),
        ({"auth_time": int(time.time()) - 3600}, "POST", "/v1/notes-fresh", 403),
        ({"iat": int(time.time()) - 20}, "POST", "/v1/notes-fresh", 403),
        ({}, "POST", "/v1/notes-fresh", 204),
    ],
)
async def test_policies_open_to_exactly_whom_they_name(notes, claims, method, path, status):
    async with notes.client(new_id(), **claims) as client:
        answer = await client.request(method, path, json={"words": "policy"})
    assert answer.status_code == status, answer.text


async def test_health_answers_and_metrics_are_text(notes):
    async with notes.client() as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).json()["status"] == "ready"
        assert "outbox_oldest_seconds" in (await client.get("/metrics")).text
