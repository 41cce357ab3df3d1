"""What both gateways promise, whichever of them stands in front."""

import asyncio
import contextlib
import re
import time

import httpx
import pytest

from deploy.gateway.generate import caddyfile
from services.jobs.app import service as jobs
from services.jobs.endpoints import LONGEST_WAIT_SECONDS
from tests.gateway.conftest import ORIGIN, standing
from tests.gateway.probes import EVENT_PAUSE, EVENTS

PROBLEM = "application/problem+json"
GOOD = {"Authorization": "Bearer good"}


def arrived(answer: httpx.Response) -> dict[str, str]:
    return dict(answer.json()["headers"])


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1/me", "accounts"),
        ("/v1/me/sessions", "accounts"),
        ("/v1/auth/login", "accounts"),
        ("/v1/billing/plans", "billing"),
        ("/r/CODE23", "billing"),
    ],
)
async def test_a_path_reaches_its_owner_whole(stand, path, service):
    async with stand.client() as client:
        answer = await client.get(f"{path}?a=1&b=%20x")
    assert answer.json()["service"] == service
    assert answer.json()["path"] == path
    assert answer.json()["query"] == "a=1&b=%20x"


@pytest.mark.parametrize(
    "path",
    [
        "/_verify", "/_verify?aud=billing", "/internal/openapi.json", "/livez", "/readyz", "/metrics",
        "//_verify", "/%5fverify", "/v1/billing/../../_verify", "/v1/billing/..%2f..%2f_verify",
        "/v1/billing/%2e%2e/%2e%2e/internal/x", "//internal/x", "/v1/billing//x", "/_VERIFY", "/Internal/x",
        "/v1/menu", "/v1/billings", "/r/a/b", "/nothing/here",
    ],
)  # fmt: skip
async def test_what_is_internal_or_nobodys_is_not_found(stand, path):
    status, _, body = await raw(stand.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status == 404, body
    assert b'"service"' not in body


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_methods_and_bodies_pass(stand, method):
    async with stand.client() as client:
        answer = await client.request(method, "/v1/billing/x", content=b"x" * 1000 if method != "GET" else None)
    assert answer.json()["method"] == method
    assert answer.json()["bytes"] == (1000 if method != "GET" else 0)


async def test_head_has_no_body(stand):
    async with stand.client() as client:
        answer = await client.head("/v1/billing/x")
    assert (answer.status_code, answer.content) == (200, b"")


FORGED = [
    {"X-Identity-Token": "forged"},
    {"x-identity-token": "forged"},
    {"X_Identity_Token": "forged"},
    {"X-IDENTITY-TOKEN": "forged"},
    {"X-User-Id": "forged"},
    {"X-Auth-Anything": "forged"},
    {"X-Internal-Jwt": "forged"},
    {"X-Internal_Jwt": "forged"},
]


@pytest.mark.parametrize("headers", FORGED, ids=lambda headers: next(iter(headers)))
async def test_a_forged_identity_header_never_arrives(stand, headers):
    async with stand.client() as client:
        for credential in ({}, GOOD):
            answer = await client.get("/v1/billing/x", headers={**headers, **credential})
            assert "forged" not in answer.text


async def test_a_credential_becomes_a_token_for_exactly_the_service(stand):
    async with stand.client() as client:
        billing = await client.get("/v1/billing/x", headers=GOOD)
        accounts = await client.get("/v1/me", headers=GOOD)
        cookie = await client.get("/v1/billing/x", headers={"Cookie": "sid=good"})
        nobody = await client.get("/v1/billing/x")
    assert arrived(billing)["x-identity-token"] == "token-for-billing"
    assert arrived(accounts)["x-identity-token"] == "token-for-accounts"
    assert arrived(cookie)["x-identity-token"] == "token-for-billing"
    assert "x-identity-token" not in arrived(nobody)


async def test_connection_cannot_take_the_token_away(stand):
    request = (
        "GET /v1/billing/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n"
        "Connection: close, X-Identity-Token, X-Request-Id\r\n\r\n"
    )
    status, _, body = await raw(stand.port, request)
    assert status == 200
    assert b"token-for-billing" in body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer bad"}, 401),
        ({"Authorization": "Basic eDp5"}, 401),
        ({"Cookie": "sid=stolen"}, 401),
        ({**GOOD, "Cookie": "sid=good"}, 400),
        ({"Authorization": "Bearer busy"}, 429),
    ],
)
async def test_what_accounts_refuses_reaches_the_client_and_never_the_service(stand, headers, status):
    async with stand.client() as client:
        answer = await client.get("/v1/billing/x", headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(PROBLEM)
    assert answer.json()["status"] == status
    assert status != 429 or answer.headers["retry-after"] == "7"


async def test_accounts_being_down_keeps_public_routes_up_and_fails_the_others_closed(own_stand):
    await own_stand.stop_accounts()
    async with own_stand.client() as client:
        public = await client.get("/v1/billing/plans")
        private = await client.get("/v1/billing/plans", headers=GOOD)
    assert public.status_code == 200
    assert private.status_code in {502, 503}
    assert private.headers["retry-after"]
    assert private.headers["content-type"].startswith(PROBLEM)
    assert private.headers["x-request-id"] == private.json()["request_id"]
    assert private.headers["x-content-type-options"] == "nosniff"


async def test_what_caddy_logs_of_a_failed_request_has_no_credential_and_no_query(tmp_path):
    async with standing("caddy", tmp_path) as own, own.client(headers=GOOD) as client:
        with contextlib.suppress(httpx.RemoteProtocolError):
            await client.get("/v1/billing/broken?signature=canary", headers={"X-Anything": "canary"})
    written = (tmp_path / "caddy.log").read_text()
    assert "aborting with incomplete response" in written
    assert "canary" not in written
    assert GOOD["Authorization"] not in written
    assert "X-Identity-Token" not in written


async def test_a_request_id_is_made_or_kept_and_both_sides_see_it(stand):
    async with stand.client() as client:
        made = await client.get("/v1/billing/x")
        kept = await client.get("/v1/billing/x", headers={"X-Request-Id": "abcdef-123456"})
        forged = await client.get("/v1/billing/x", headers={"X-Request-Id": "spaces are not allowed"})
    assert arrived(made)["x-request-id"] == made.headers["x-request-id"]
    assert len(made.headers["x-request-id"]) >= 8
    assert arrived(kept)["x-request-id"] == kept.headers["x-request-id"] == "abcdef-123456"
    assert "spaces" not in forged.headers["x-request-id"]
    assert arrived(forged)["x-request-id"] == forged.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/v1/billing/x", "/nothing", "/", "/v1/billing/teapot"])
async def test_every_answer_carries_the_security_headers(stand, path):
    async with stand.client() as client:
        answer = await client.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "caddy" not in answer.headers.get("server", "").lower()


async def test_a_problem_of_a_service_passes_unchanged(stand):
    async with stand.client() as client:
        answer = await client.get("/v1/billing/teapot")
    assert (answer.status_code, answer.json()["code"]) == (418, "teapot")


@pytest.mark.parametrize(("path", "size", "status"), [
    ("/v1/billing/x", 900_000, 200), ("/v1/billing/x", 1_100_000, 413),
    ("/v1/billing/large", 2_500_000, 200), ("/v1/billing/large", 3_300_000, 413),
])  # fmt: skip
async def test_bodies_are_limited_as_the_manifest_says(stand, path, size, status):
    async with stand.client() as client:
        answer = await client.post(path, content=b"x" * size)
    assert answer.status_code == status
    assert status == 200 or answer.headers["content-type"].startswith(PROBLEM)


RUNNER = ["claim", "heartbeat", "outputs", "settle"]


@pytest.mark.parametrize("path", [*(f"/v1/runner/{name}" for name in RUNNER), "/v1/files/a/b", "/v1/jobs/events"])
async def test_what_runners_and_browsers_call_reaches_the_jobs(stand, path):
    async with stand.client() as client:
        answer = await client.post(path, content=b"x" * 1000, headers=GOOD)
    assert (answer.json()["service"], answer.json()["path"], answer.json()["bytes"]) == ("jobs", path, 1000)
    assert arrived(answer)["x-identity-token"] == "token-for-jobs"


async def test_a_result_may_be_as_large_as_a_file_and_what_is_said_of_it_may_not(stand):
    most = jobs.body_limits["/v1/files/"]
    async with stand.client() as client:
        sent = await client.put("/v1/files/results/film.mp4?signature=x", content=bytes(most))
        assert (sent.status_code, sent.json()["bytes"]) == (200, most)
        assert (await client.put("/v1/files/results/film.mp4", content=bytes(most + 1))).status_code == 413
        assert (await client.post("/v1/runner/settle", content=b"x" * 1_100_000)).status_code == 413


def test_no_answer_is_waited_for_longer_than_a_gateway_waits():
    """At the gateway's limit the client reads an error, for an order that was accepted."""
    seconds = [int(found) for found in re.findall(r"response_header_timeout (\d+)s", caddyfile([jobs]))]
    assert max(seconds) >= LONGEST_WAIT_SECONDS + 5


def test_an_upload_may_take_its_time_while_it_comes():
    """A limit for the whole body cuts off whoever sends a film over a slow line; a pause and a trickle are limited."""
    configured = caddyfile([jobs])
    assert re.search(r"^\s*read_body\s", configured, re.MULTILINE) is None
    assert re.search(r"^\s*read_body_idle \d+s \d+$", configured, re.MULTILINE)


async def _chunks(count):
    for _ in range(count):
        yield b"x" * 100_000


async def test_a_chunked_body_is_limited_too(stand):
    async with stand.client() as client:
        answer = await client.post("/v1/billing/x", content=_chunks(13))
    assert answer.status_code == 413


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-Ip", "Forwarded", "X_Forwarded_For"])
async def test_a_client_cannot_say_where_it_comes_from(stand, name):
    """Limits are kept by network: whoever could choose theirs would have none."""
    async with stand.client() as client:
        seen = (await client.get("/v1/billing/x", headers={name: "203.0.113.66"})).json()
    assert seen["client"] == "127.0.0.1"
    assert "203.0.113.66" not in str(seen["headers"])


@pytest.mark.parametrize("stand", ["embedded"], indirect=True)
async def test_who_sends_far_too_much_still_reads_why_it_was_refused(stand):
    async with stand.client() as client:
        answer = await client.post("/v1/billing/x", content=_chunks(300))
    assert answer.status_code == 413


async def test_server_sent_events_arrive_one_by_one(stand):
    times = []
    async with stand.client() as client:
        started = time.monotonic()
        async with client.stream("GET", "/v1/billing/stream", headers=GOOD) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert "content-encoding" not in answer.headers
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    times.append(time.monotonic() - started)  # noqa: PERF401 - each line is timed as it comes
    assert len(times) == EVENTS
    assert times[-1] - times[0] > EVENT_PAUSE * (EVENTS - 1) * 0.7
    assert times[0] < EVENT_PAUSE


async def test_a_reader_that_leaves_is_noticed_by_the_service(stand):
    probe = stand.probes["billing"]
    probe.left.clear()
    async with stand.client() as client, client.stream("GET", "/v1/billing/forever") as answer:
        await anext(answer.aiter_lines())
    await asyncio.wait_for(probe.left.wait(), 2)


async def test_a_service_that_falls_over_is_a_plain_error_without_internals(stand):
    async with stand.client() as client:
        answer = await client.get("/v1/billing/boom")
    assert answer.status_code >= 500
    assert "secret internals" not in answer.text


async def test_an_allowed_origin_may_call_and_another_may_not(stand):
    preflight = {"Access-Control-Request-Method": "POST"}
    async with stand.client() as client:
        allowed = await client.options("/v1/billing/x", headers={"Origin": ORIGIN, **preflight})
        called = await client.get("/v1/billing/x", headers={"Origin": ORIGIN})
        foreign = await client.get("/v1/billing/x", headers={"Origin": "https://evil.example"})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert called.headers["access-control-allow-origin"] == ORIGIN
    assert "origin" in called.headers["vary"].lower()
    assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}],
    ids=["another host", "another origin"],
)
async def test_local_pages_are_closed_to_other_sites(stand, headers):
    async with stand.client() as client:
        assert (await client.get("/dev/mail")).status_code == 200
        assert (await client.get("/dev/mail", headers=headers)).status_code == 403


async def test_the_gateway_is_healthy_by_itself(stand):
    async with stand.client() as client:
        answer = await client.get("/healthz")
    assert answer.json() == {"status": "ok"}


async def test_large_cookies_pass_and_absurd_headers_do_not(stand):
    async with stand.client() as client:
        assert (await client.get("/v1/billing/x", headers={"Cookie": "a=" + "x" * 8000})).status_code == 200
    status, *_ = await raw(stand.port, f"GET /v1/billing/x HTTP/1.1\r\nHost: x\r\nA: {'x' * 100_000}\r\n\r\n")
    assert status in {400, 431}


async def test_two_lengths_do_not_smuggle_a_second_request(stand):
    request = (
        "POST /v1/billing/x HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n"
        "Connection: close\r\n\r\n0\r\n\r\nGET /v1/billing/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    _, _, body = await raw(stand.port, request)
    assert b"smuggled" not in body


async def test_a_client_that_expects_continue_gets_it(stand):
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
    head = "POST /v1/billing/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n"
    writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert b"100" in await asyncio.wait_for(reader.readline(), 5)
    writer.write(b"hello")
    assert b'"bytes":5' in (await asyncio.wait_for(reader.read(), 5)).replace(b" ", b"")
    writer.close()
    await writer.wait_closed()


async def raw(port: int, request: str) -> tuple[int, bytes, bytes]:
    """Send bytes no client library would send; returns status, head and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        writer.write(request.encode())
        while piece := await asyncio.wait_for(reader.read(65536), 3):
            received += piece
    except (ConnectionResetError, TimeoutError):
        pass
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1]) if head.startswith(b"HTTP/") else 400
    return status, head, body
