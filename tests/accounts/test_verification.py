"""What the gateway learns about a caller, and what a forger, a stranger's page or a flood gets instead."""

import asyncio
import base64
import json
import time
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from services.accounts.credentials import look_up
from services.accounts.tokens import compose_key, new_key_id, new_key_secret, new_session_token
from services.accounts.usecases import create_admin, revoke_all_sessions
from services.accounts.verification import verify
from shared.database import Database
from shared.identity import IDENTITY_HEADER, FileKeys, Verifier
from tests.support.accounts import account_of, register, register_admin
from tests.support.callers import TestKeys, identity_token


async def ask(svc, *, method="GET", path="/v1/jobs", audience="jobs", ip="198.51.100.7", **headers):
    return await verify(svc.runtime, audience=audience, method=method, path=path, headers=headers, client_ip=ip)


def bearer(secret):
    return {"authorization": f"Bearer {secret}"}


async def refused_soon(svc, token):
    async with asyncio.timeout(5):
        while (await ask(svc, **bearer(token))).status == 200:  # noqa: ASYNC110 - the answer is what is waited for
            await asyncio.sleep(0.01)


def claims_of(answer):

    payload = answer.headers[IDENTITY_HEADER].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=="))


async def test_no_credential_is_anonymous(svc):
    answer = await ask(svc)
    assert (answer.status, answer.headers, answer.problem) == (200, {}, None)


async def test_a_session_becomes_a_token_for_one_service_that_names_its_user(svc):
    account = await register(svc)
    answer = await ask(svc, **bearer(account.token))
    verifier = Verifier("jobs", FileKeys(svc.runtime.settings.keys_path / "jwks.json"))
    caller = await verifier.principal(answer.headers[IDENTITY_HEADER])
    assert caller.user_id == account.id
    assert caller.session_id is not None
    assert (caller.key_id, caller.scopes, caller.assurance) == (None, None, 1)
    assert caller.roles == {"user"}
    assert caller.verified
    claims = claims_of(answer)
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == ("accounts", "jobs", 60)
    assert account.email not in str(claims)
    with pytest.raises(Exception, match="not valid"):
        await Verifier("billing", FileKeys(svc.runtime.settings.keys_path / "jwks.json")).principal(
            answer.headers[IDENTITY_HEADER]
        )


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer ss_" + "A" * 43,
        "Bearer " + compose_key(new_key_id(), new_key_secret()),
        "Bearer ak_live_short",
        "Bearer garbage",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "ss_without_scheme",
        "Bearer ss_ünïcödé\x00",
    ],
    ids=["unknown session", "unknown key", "short key", "garbage", "nothing", "basic", "no scheme", "not ascii"],
)
async def test_a_bad_credential_is_refused_and_never_anonymous(shared_svc, authorization):
    answer = await ask(shared_svc, authorization=authorization)
    assert answer.status == 401
    assert answer.problem.status == 401
    assert IDENTITY_HEADER not in answer.headers


async def test_two_credentials_at_once_are_refused(svc):
    account = await register(svc)
    both = await ask(svc, cookie=f"sid={account.token}", **bearer(account.token))
    twice = await ask(svc, cookie=f"sid={account.token}; sid={new_session_token()}")
    assert [(answer.status, answer.problem.code) for answer in (both, twice)] == [(400, "two_credentials")] * 2


async def test_other_cookies_are_no_credentials(svc):
    answer = await ask(svc, cookie="theme=dark; chat_session=abc; sid=; broken; =x")
    assert (answer.status, answer.headers) == (200, {})


async def test_a_stale_cookie_is_refused_and_taken_away_so_that_the_next_request_can_log_in(svc):
    answer = await ask(svc, cookie=f"sid={new_session_token()}")
    assert answer.status == 401
    assert answer.problem.headers["Set-Cookie"].startswith("sid=; Path=/; Max-Age=0")


async def test_a_malformed_api_key_never_reaches_the_database(svc):
    good = compose_key(new_key_id(), new_key_secret())
    wrong_checksum = good[:-1] + ("A" if good[-1] != "A" else "B")
    before = svc.runtime.database.pool.get_stats().get("requests_num", 0)
    assert (await ask(svc, **bearer(wrong_checksum))).status == 401
    assert svc.runtime.database.pool.get_stats().get("requests_num", 0) == before
    assert (await ask(svc, **bearer(good))).status == 401
    assert svc.runtime.database.pool.get_stats().get("requests_num", 0) == before + 1


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://atelier.test"}, False),
        ({"origin": "http://atelier.test.evil.example"}, False),
        ({"origin": "http://atelier.test"}, True),
        ({"origin": "http://localhost:8000", "host": "localhost:8000"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "https://app.atelier.test"}, True),
        ({}, True),
    ],
)
async def test_another_site_s_page_cannot_change_anything_with_a_user_s_cookie(accounts, headers, allowed):
    async with accounts(trusted_origins="https://app.atelier.test") as svc:
        account = await register(svc)
        cookie = {"cookie": f"sid={account.token}"}
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = await ask(svc, method=method, **cookie, **headers)
            assert answer.status == (200 if allowed else 403)
            assert (await ask(svc, method=method, **bearer(account.token), **headers)).status == 200
        assert (await ask(svc, method="GET", **cookie, **headers)).status == 200


async def test_a_principal_over_its_budget_waits_and_others_do_not(accounts):
    async with accounts(principal_burst=5, principal_per_second=0.5) as svc:
        ann, eve = await register(svc), await register(svc)
        answers = [await ask(svc, **bearer(ann.token)) for _ in range(7)]
        assert [answer.status for answer in answers] == [200] * 5 + [429] * 2
        headers = answers[5].problem.headers
        assert int(headers["Retry-After"]) in {1, 2}
        assert headers["RateLimit-Policy"] == "5;w=10"
        assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("5", "0")
        assert [answer.headers["RateLimit-Remaining"] for answer in answers[:5]] == ["4", "3", "2", "1", "0"]
        second_session = await account_of(svc, ann.email)
        assert (await ask(svc, **bearer(second_session.token))).status == 429
        assert (await ask(svc, **bearer(eve.token))).status == 200


async def test_a_network_that_tries_bad_credentials_is_slowed_and_good_ones_known_already_pass(accounts):
    async with accounts(bad_credentials_per_minute=5) as svc:
        account = await register(svc)
        assert (await ask(svc, **bearer(account.token))).status == 200
        statuses = [(await ask(svc, **bearer(new_session_token()))).status for _ in range(7)]
        assert statuses == [401] * 5 + [429] * 2
        assert (await ask(svc, **bearer(account.token))).status == 200
        assert (await ask(svc, ip="203.0.113.9", **bearer(new_session_token()))).status == 401


async def test_safe_requests_share_a_token_and_unsafe_and_staff_requests_get_their_own(svc, monkeypatch):
    account = await register(svc)
    real = time.time
    monkeypatch.setattr("services.accounts.verification.time.time", lambda: real() + offset)
    offset = 0
    first = claims_of(await ask(svc, **bearer(account.token)))
    offset = 20
    assert claims_of(await ask(svc, **bearer(account.token))) == first
    assert claims_of(await ask(svc, method="POST", **bearer(account.token)))["iat"] == first["iat"] + 20
    offset = 25
    assert claims_of(await ask(svc, path="/v1/admin/jobs", **bearer(account.token)))["iat"] == first["iat"] + 25
    offset = 60
    renewed = claims_of(await ask(svc, **bearer(account.token)))
    assert renewed["iat"] >= first["iat"] + 55


async def test_the_age_of_a_login_is_told_by_wall_clock_whatever_day_the_domain_clock_shows(svc):
    account = await register(svc)
    assert abs(claims_of(await ask(svc, **bearer(account.token)))["auth_time"] - time.time()) < 5
    svc.clock.advance(3600)
    stale = claims_of(await ask(svc, method="POST", **bearer(account.token)))
    assert abs(time.time() - 3600 - stale["auth_time"]) < 5
    await account.client.post("/v1/auth/reauth", json={"password": account.password})
    fresh = claims_of(await ask(svc, method="POST", **bearer(account.token)))
    assert abs(time.time() - fresh["auth_time"]) < 5


async def test_an_admin_whose_login_is_older_than_ten_minutes_must_confirm_the_password(svc):
    admin = await register_admin(svc)
    users = "/v1/admin/accounts/users"
    assert (await admin.client.get(users)).status_code == 200
    svc.clock.advance(601)
    answer = await admin.client.get(users)
    assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_required")
    await admin.client.post("/v1/auth/reauth", json={"password": admin.password})
    assert (await admin.client.get(users)).status_code == 200


async def test_a_revocation_in_another_process_is_heard_at_once(svc):

    account = await register(svc)
    assert (await ask(svc, **bearer(account.token))).status == 200
    elsewhere = Database(svc.runtime.database.url, service="accounts", clock=svc.clock)
    try:
        async with elsewhere.write() as session:
            await revoke_all_sessions(session, account.id, reason="test", now=svc.clock.now())
        await refused_soon(svc, account.token)
    finally:
        await elsewhere.close()


async def test_what_is_remembered_is_looked_up_again_after_ten_seconds_even_if_nobody_told(svc, monkeypatch):
    account = await register(svc)
    credentials = svc.runtime.parts.credentials
    moment = time.monotonic()
    monkeypatch.setattr(credentials, "_monotonic", lambda: moment)
    assert (await ask(svc, **bearer(account.token))).status == 200
    await svc.rows("UPDATE user_sessions SET revoked_at = now() RETURNING id")
    moment += 9.9
    assert (await ask(svc, **bearer(account.token))).status == 200
    moment += 0.2
    assert (await ask(svc, **bearer(account.token))).status == 401


async def test_a_lookup_that_a_revocation_overtakes_is_not_remembered(svc):
    account = await register(svc)
    credentials = svc.runtime.parts.credentials
    credentials.forget_all()
    revision = credentials.revision

    found = await look_up(svc.runtime.database, account.token, svc.runtime.settings, svc.clock.now())
    credentials.forget(account.id)
    credentials.keep(b"key", found, revision)
    assert credentials.find(b"key", svc.clock.now()) is None


async def test_listening_resumes_after_the_connection_is_cut(svc):
    account = await register(svc)
    assert (await ask(svc, **bearer(account.token))).status == 200
    listening = "query LIKE 'LISTEN auth_revoked%%' AND datname = current_database()"
    assert await svc.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listening}")
    await svc.rows("UPDATE user_sessions SET revoked_at = now() RETURNING id")
    await refused_soon(svc, account.token)


async def test_the_gateway_s_route_answers_as_the_function_does(svc):
    account = await register(svc)
    described = {"X-Forwarded-Method": "POST", "X-Forwarded-Uri": "/v1/jobs?x=1", "X-Forwarded-For": "203.0.113.5"}
    async with svc.client() as client:
        answer = await client.get("/_verify?aud=jobs", headers={**described, **bearer(account.token)})
        assert answer.status_code == 200
        assert answer.headers[IDENTITY_HEADER]
        anonymous = await client.get("/_verify?aud=jobs", headers=described)
        assert anonymous.status_code == 200
        assert IDENTITY_HEADER not in anonymous.headers
        crossing = {**described, "Cookie": f"sid={account.token}", "Origin": "https://evil.example"}
        refused = await client.get("/_verify?aud=jobs", headers=crossing)
        assert (refused.status_code, refused.json()["code"]) == (403, "cross_origin")
        bad = await client.get("/_verify?aud=jobs", headers={**described, **bearer("nonsense")})
        assert bad.status_code == 401
        assert bad.headers["content-type"] == "application/problem+json"
        assert (await client.get("/_verify", headers=described)).status_code == 422


def _forgeries():
    stranger = OKPKey.generate_key("Ed25519", {"kid": "test", "use": "sig"})
    wall = int(time.time())
    yield "another key", {"key": stranger}
    yield "another audience", {"aud": "jobs"}
    yield "another issuer", {"iss": "somebody"}
    yield "another type", {"header": {"typ": "JWT"}}
    yield "an unknown key id", {"header": {"kid": "unknown"}}
    yield "expired", {"iat": wall - 120, "exp": wall - 60}
    yield "not yet valid", {"nbf": wall + 600}
    yield "a key of the forger's by address", {"key": stranger, "header": {"jku": "https://evil.example/jwks.json"}}
    yield "a key of the forger's inside", {"key": stranger, "header": {"jwk": stranger.as_dict(private=False)}}


@pytest.mark.parametrize(("name", "forgery"), list(_forgeries()), ids=[name for name, _ in _forgeries()])
async def test_a_forged_identity_token_is_refused_even_from_localhost(shared_svc, name, forgery):
    # Tokens of the tests' own key stand for genuine ones here, so that each forgery differs in one thing only.

    shared_svc.app.state.verifier = Verifier("accounts", TestKeys())
    account = await register_with_any_key(shared_svc)
    genuine = identity_token("accounts", account)
    async with shared_svc.client() as client:
        assert (await client.get("/v1/me", headers={IDENTITY_HEADER: genuine})).status_code == 200
        forged = identity_token("accounts" if "aud" not in forgery else forgery.pop("aud"), account, **forgery)
        assert (await client.get("/v1/me", headers={IDENTITY_HEADER: forged})).status_code == 401


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_a_token_without_our_algorithm_is_refused(shared_svc, algorithm):

    header = {"alg": algorithm, "typ": "int+jwt", "kid": "test"}
    claims = {"iss": "accounts", "aud": "accounts", "sub": str(uuid4()), "iat": int(time.time()), "exp": 2**33}
    if algorithm == "none":
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
        token = ".".join([*parts, ""])
    else:
        public = (shared_svc.runtime.settings.keys_path / "jwks.json").read_bytes()
        token = jwt.encode(header, claims, OctKey.import_key(public), algorithms=["HS256"])
    async with shared_svc.client() as client:
        assert (await client.get("/v1/me", headers={IDENTITY_HEADER: token})).status_code == 401


async def register_with_any_key(svc):

    async with svc.runtime.database.write() as session:
        email = f"{uuid4().hex}@example.com"
        return await create_admin(
            session, email, "correct horse 42 b", now=svc.clock.now(), settings=svc.runtime.settings
        )
