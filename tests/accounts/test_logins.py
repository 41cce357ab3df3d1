"""Logging in: who gets in, who does not, and what an attacker can learn or break."""

import asyncio
import math
import random
import resource
import statistics
import time

import bcrypt
import pytest
from argon2 import PasswordHasher

from services.accounts.errors import CredentialsRejected
from services.accounts.usecases import Device, check_login, disable_user, open_session
from tests.support.accounts import log_in, register, through_gateway


async def test_a_login_answers_with_a_token_a_user_and_cookies_that_scripts_cannot_read(svc):
    account = await register(svc)
    answer = await log_in(svc, account.email)
    body = answer.json()
    assert set(body) == {"session_token", "user", "expires_at"}
    assert body["session_token"].startswith("ss_")
    cookies = {cookie.split("=")[0]: cookie for cookie in answer.headers.get_list("set-cookie")}
    assert body["session_token"] in cookies["sid"]
    for cookie in cookies.values():
        assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/"))


async def test_over_tls_the_cookie_is_bound_to_the_host(accounts):
    async with accounts(public_url="https://atelier.test") as svc:
        account = await register(svc)
        answer = await log_in(svc, account.email)
        assert any(
            cookie.startswith("__Host-sid=ss_") and "Secure" in cookie and "Domain" not in cookie
            for cookie in answer.headers.get_list("set-cookie")
        )
        by_cookie = through_gateway(svc, Cookie=f"__Host-sid={answer.json()['session_token']}")
        assert (await by_cookie.get("/v1/me")).status_code == 200
        by_plain_cookie = through_gateway(svc, Cookie=f"sid={answer.json()['session_token']}")
        assert (await by_plain_cookie.get("/v1/me")).status_code == 401


async def test_an_unknown_address_a_wrong_password_and_a_closed_account_get_one_answer(svc):
    known, closed = await register(svc), await register(svc)
    async with svc.runtime.database.write() as session:
        await disable_user(session, closed.id, by=known.id, reason="", now=svc.clock.now())

    async def body_of(email, password):
        answer = await log_in(svc, email, password, **{"X-Request-Id": "same-for-all"})
        return answer.status_code, answer.content, sorted(answer.headers.items())

    unknown = await body_of("nobody@example.com", known.password)
    assert unknown[0] == 401
    assert unknown == await body_of(known.email, "not the password")
    assert unknown == await body_of(closed.email, closed.password)


async def test_the_time_of_a_failed_login_does_not_tell_whether_the_address_is_known(accounts):
    """Mann-Whitney on interleaved samples; a difference must show in three rounds running to count as one."""
    async with accounts(argon2_memory_kib=19456, argon2_time_cost=2) as svc:
        known = await register(svc)
        await _sample(svc, known.email, 10)
        rounds = []
        for _ in range(3):
            rounds.append(await _compare(svc, known.email, "nobody@example.com"))
            if rounds[-1][0] > 0.01 and rounds[-1][1] < 0.1:
                return
        raise AssertionError(f"p values and relative differences of the medians: {rounds}")


async def _sample(svc, email, times):
    took = []
    for _ in range(times):
        started = time.perf_counter()
        assert (await log_in(svc, email, "not the password")).status_code == 401
        took.append(time.perf_counter() - started)
    return took


async def _compare(svc, known, unknown, samples=60):
    times = {known: [], unknown: []}
    for _ in range(samples):
        # In any order: what comes second may run on warmer caches.
        for email in random.sample((known, unknown), 2):
            times[email] += await _sample(svc, email, 1)
    medians = [statistics.median(values) for values in times.values()]
    return _mann_whitney(*times.values()), abs(medians[0] - medians[1]) / max(medians)


def _mann_whitney(left, right):
    """The two-sided p value by the normal approximation."""
    wins = sum((a > b) + (a == b) / 2 for a in left for b in right)
    mean = len(left) * len(right) / 2
    deviation = math.sqrt(mean * (len(left) + len(right) + 1) / 6)
    return math.erfc(abs(wins - mean) / deviation / math.sqrt(2))


async def test_an_imported_bcrypt_hash_lets_its_owner_in_and_is_replaced_by_argon2id(svc):
    account = await register(svc)
    imported = bcrypt.hashpw(b"from the old system", bcrypt.gensalt(4)).decode()
    await svc.rows("UPDATE users SET password_hash = %(hash)s RETURNING id", hash=imported)
    assert (await log_in(svc, account.email, "not that")).status_code == 401
    assert (await svc.rows("SELECT password_hash AS h FROM users"))[0]["h"] == imported
    for _ in range(2):
        assert (await log_in(svc, account.email, "from the old system")).status_code == 200
        assert (await svc.rows("SELECT password_hash AS h FROM users"))[0]["h"].startswith("$argon2id$")


async def test_a_long_imported_password_still_verifies_by_its_first_72_bytes(svc):
    account = await register(svc)
    password = "x" * 100
    imported = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    await svc.rows("UPDATE users SET password_hash = %(hash)s RETURNING id", hash=imported)
    assert (await log_in(svc, account.email, password)).status_code == 200
    assert (await log_in(svc, account.email, password[:72])).status_code == 401, "the whole password was hashed anew"


async def test_a_hash_with_older_parameters_is_renewed_at_login(accounts):
    async with accounts() as svc:
        account = await register(svc)
    async with accounts(argon2_memory_kib=16) as svc:
        account = await register(svc)
        old = (await svc.rows("SELECT password_hash AS h FROM users"))[0]["h"].replace("m=16", "m=8")
        assert "m=8" in old
        weaker = _hash_with(8, account.password)
        await svc.rows("UPDATE users SET password_hash = %(hash)s RETURNING id", hash=weaker)
        assert (await log_in(svc, account.email)).status_code == 200
        assert "m=16" in (await svc.rows("SELECT password_hash AS h FROM users"))[0]["h"]


def _hash_with(memory, password):
    return PasswordHasher(time_cost=1, memory_cost=memory, parallelism=1).hash(password)


async def test_the_limit_of_an_account_is_exact_under_parallel_tries(accounts):
    async with accounts(limits={"login_account": 10, "login_account_network": 100}) as svc:
        tries = [
            through_gateway(svc, client_ip=f"203.0.{number}.1").post(
                "/v1/auth/login", json={"email": "ann@example.com", "password": "guess"}
            )
            for number in range(40)
        ]
        answers = await asyncio.gather(*tries)
        assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 30


async def test_an_owner_with_a_known_device_logs_in_while_strangers_use_up_the_account(accounts):
    async with accounts(limits={"login_account": 5, "login_account_network": 5}) as svc:
        account = await register(svc)
        device = next(
            cookie.split(";")[0]
            for cookie in (await log_in(svc, account.email)).headers.get_list("set-cookie")
            if cookie.startswith("device=")
        )
        while (await log_in(svc, account.email, "guess")).status_code != 429:
            pass
        assert (await log_in(svc, account.email)).status_code == 429
        assert (await log_in(svc, account.email, Cookie=device)).status_code == 200
        forged = device[:-4] + "AAAA"
        assert (await log_in(svc, account.email, Cookie=forged)).status_code == 429
        other = await log_in(svc, "other@example.com", Cookie=device)
        assert other.status_code == 401


async def test_even_a_known_device_has_only_so_many_tries(accounts):
    async with accounts(limits={"login_device": 4}) as svc:
        account = await register(svc)
        cookies = (await log_in(svc, account.email)).headers.get_list("set-cookie")
        device = next(cookie.split(";")[0] for cookie in cookies if cookie.startswith("device="))
        statuses = [(await log_in(svc, account.email, "guess", Cookie=device)).status_code for _ in range(6)]
        assert statuses == [401] * 4 + [429] * 2


async def test_addresses_cannot_be_read_from_the_limits_table(svc):
    await log_in(svc, "ann@example.com")
    keys = [row["key"] for row in await svc.rows("SELECT key FROM rate_limits")]
    assert keys
    assert not [key for key in keys if "ann" in key]


async def test_a_flood_of_logins_is_turned_away_and_leaves_the_service_responsive(accounts):
    async with accounts(argon2_memory_kib=19456, argon2_time_cost=2, hash_threads=1) as svc:
        account = await register(svc)
        lags, flooding = [], True

        async def watch():
            while flooding:
                started = time.perf_counter()
                assert (await svc.client().get("/livez")).status_code == 200
                lags.append(time.perf_counter() - started)
                await asyncio.sleep(0.005)

        watching = asyncio.create_task(watch())
        flood = [log_in(svc, account.email, "guess") for _ in range(200)]
        statuses = [answer.status_code for answer in await asyncio.gather(*flood)]
        flooding = False
        await watching
        assert set(statuses) == {401, 503}
        assert statistics.quantiles(lags, n=100)[98] < 0.1
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1024 * 1024, "more than 1 GiB"


async def test_a_login_that_waits_too_long_for_its_hash_is_asked_to_come_back(accounts):
    async with accounts(hash_threads=1, hash_wait_seconds=0) as svc:
        hasher = svc.runtime.parts.hasher
        await hasher._slots.acquire()
        answer = await log_in(svc, "ann@example.com")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        hasher._slots.release()
        assert (await log_in(svc, "ann@example.com")).status_code == 401


async def test_a_password_changed_between_check_and_session_opens_none(svc):
    account = await register(svc)
    checked = await check_login(svc.runtime.database, svc.runtime.parts.hasher, account.email, account.password)
    change = {"current_password": account.password, "new_password": "another password 9"}
    assert (await account.client.post("/v1/me/password", json=change)).status_code == 204
    device, settings = Device(None, "", None), svc.runtime.settings
    with pytest.raises(CredentialsRejected):
        await open_session(svc.runtime.database, checked, device, now=svc.clock.now(), settings=settings)
    assert len(await svc.rows("SELECT id FROM user_sessions")) == 1
