"""Second factors: each code counts once, no way in leads around them, and who lost theirs can be helped."""

import asyncio
import base64
import time
from itertools import count
from urllib.parse import parse_qs, urlsplit

import pytest

from services.accounts.second_factors import STEP_SECONDS, Seeds, SeedUnreadable, code_at, matching_step, new_seed
from services.accounts.usecases import remove_all_factors
from tests.support.accounts import (
    PASSWORD,
    Account,
    account_of,
    log_in,
    mail_token,
    mails,
    register,
    register_admin,
    through_gateway,
)

NEW = "a brand new password 7"


class Phone:
    """The owner's authenticator app. Each code is of a step of its own, as an owner's codes are."""

    def __init__(self, uri: str) -> None:
        [secret] = parse_qs(urlsplit(uri).query)["secret"]
        self.seed = base64.b32decode(secret + "=" * (-len(secret) % 8))
        # One code is for the step before the current one, one for it and one for the next.
        self._steps = count(int(time.time()) // STEP_SECONDS - 1)

    def code(self) -> str:
        return code_at(self.seed, next(self._steps) * STEP_SECONDS)


async def protect(account: Account) -> tuple[Phone, list[str]]:
    """Add a factor and confirm it; returns the phone and the recovery codes."""
    added = await account.client.post("/v1/me/factors", json={"name": "My phone"})
    assert added.status_code == 201, added.text
    phone = Phone(added.json()["otpauth_uri"])
    proved = await account.client.post(f"/v1/me/factors/{added.json()['id']}/confirm", json={"code": phone.code()})
    assert proved.status_code == 200, proved.text
    return phone, proved.json()["recovery_codes"]


async def challenge(svc, account, password=PASSWORD):
    answer = await log_in(svc, account.email, password)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"status", "login_token"}
    assert "set-cookie" not in answer.headers
    return answer.json()["login_token"]


async def finish(svc, login_token, code):
    async with through_gateway(svc) as client:
        return await client.post("/v1/auth/login/2fa", json={"login_token": login_token, "code": code})


async def test_a_login_needs_the_password_and_then_a_code(svc):
    account = await register(svc)
    phone, _ = await protect(account)
    token = await challenge(svc, account)
    assert (await through_gateway(svc, token).get("/v1/me")).status_code == 401
    assert len((await account.client.get("/v1/me/sessions")).json()["items"]) == 1
    finished = await finish(svc, token, phone.code())
    assert finished.status_code == 200
    assert finished.json()["user"]["email"] == account.email
    assert "sid=" in finished.headers["set-cookie"]
    assert (await through_gateway(svc, finished.json()["session_token"]).get("/v1/me")).status_code == 200


async def test_a_factor_counts_from_its_confirmation_and_then_ends_other_sessions(svc):
    account, other = (first := await register(svc)), await account_of(svc, first.email)
    added = (await account.client.post("/v1/me/factors", json={})).json()
    assert (added["kind"], added["confirmed_at"]) == ("totp", None)
    assert added["otpauth_uri"].startswith("otpauth://totp/")
    assert added["secret"] in added["otpauth_uri"]
    await account_of(svc, account.email)
    confirm = f"/v1/me/factors/{added['id']}/confirm"
    refused = await account.client.post(confirm, json={"code": "000000"})
    assert (refused.status_code, refused.json()["code"]) == (401, "code_rejected")
    phone = Phone(added["otpauth_uri"])
    assert (await account.client.post(confirm, json={"code": phone.code()})).status_code == 200
    again = await account.client.post(confirm, json={"code": phone.code()})
    assert (again.status_code, again.json()["code"]) == (409, "factor_confirmed")
    assert (await other.client.get("/v1/me")).status_code == 401
    listed = (await account.client.get("/v1/me/factors")).json()
    assert (listed["items"][0]["name"], listed["recovery_codes_left"]) == ("Authenticator app", 10)
    assert "secret" not in listed["items"][0]
    assert (await mails(svc, account.email))[0]["subject"] == "A second factor protects your account"


async def test_of_parallel_uses_of_one_code_exactly_one_succeeds(svc):
    account = await register(svc)
    phone, codes = await protect(account)
    for code in (phone.code(), codes[0]):
        tokens = [await challenge(svc, account) for _ in range(8)]
        answers = await asyncio.gather(*(finish(svc, token, code) for token in tokens))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


async def test_a_login_that_was_begun_can_be_finished_once(svc):
    account = await register(svc)
    _, codes = await protect(account)
    token = await challenge(svc, account)
    answers = await asyncio.gather(*(finish(svc, token, code) for code in codes[:5]))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 401} == {"login_expired"}


async def test_five_wrong_codes_end_the_login_even_in_parallel(svc):
    account = await register(svc)
    phone, _ = await protect(account)
    token = await challenge(svc, account)
    answers = await asyncio.gather(*(finish(svc, token, "000000") for _ in range(20)))
    assert [answer.json()["code"] for answer in answers].count("code_rejected") == 5
    assert (await finish(svc, token, phone.code())).json()["code"] == "login_expired"


async def test_a_login_that_was_begun_ends_after_five_minutes(svc):
    account = await register(svc)
    _, codes = await protect(account)
    token = await challenge(svc, account)
    svc.clock.advance(5 * 60 + 1)
    assert (await finish(svc, token, codes[0])).json()["code"] == "login_expired"


async def test_no_way_in_leads_around_the_factor(svc):
    """A password that was reset or changed, a key, a disabled account and a login begun before each."""
    account = await register(svc)
    key = (await account.client.post("/v1/me/api-keys", json={"name": "CI", "scopes": ["profile:read"]})).json()["key"]
    _, codes = await protect(account)
    begun = await challenge(svc, account)
    async with through_gateway(svc) as client:
        await client.post("/v1/auth/password/forgot", json={"email": account.email})
        token = await mail_token(svc, account.email)
        reset = await client.post("/v1/auth/password/reset", json={"token": token, "password": NEW})
    assert reset.status_code == 204
    assert "set-cookie" not in reset.headers
    assert (await finish(svc, begun, codes[0])).json()["code"] == "login_expired"
    token = await challenge(svc, account, NEW)
    for path in ("/v1/me/factors", "/v1/me/recovery-codes"):
        assert (await through_gateway(svc, key).post(path, json={})).status_code == 403
    assert (await finish(svc, token, codes[0])).status_code == 200


async def test_a_session_from_before_can_not_touch_the_factor(svc):
    """A thief's session of before the factor has ended; one whose assurance fell behind may do nothing either."""
    account = await register(svc)
    _, _ = await protect(account)
    [factor] = (await account.client.get("/v1/me/factors")).json()["items"]
    await svc.rows("UPDATE user_sessions SET aal = 1 RETURNING id")
    svc.runtime.parts.credentials.forget_all()
    refusals = [
        await account.client.delete(f"/v1/me/factors/{factor['id']}"),
        await account.client.post("/v1/me/factors", json={}),
        await account.client.post("/v1/me/recovery-codes"),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in refusals} == {(403, "second_factor_required")}


async def test_new_recovery_codes_replace_the_old_ones(svc):
    account = await register(svc)
    without = await account.client.post("/v1/me/recovery-codes")
    assert (without.status_code, without.json()["code"]) == (409, "no_second_factor")
    _, old = await protect(account)
    new = (await account.client.post("/v1/me/recovery-codes")).json()["codes"]
    assert len(set(new)) == 10
    token = await challenge(svc, account)
    assert (await finish(svc, token, old[0])).status_code == 401
    spaced = new[0].upper().replace("-", " ")
    assert (await finish(svc, token, spaced)).status_code == 200
    assert (await mails(svc, account.email))[0]["text"].count("9 of them are left") == 1


async def test_without_the_last_factor_the_password_is_enough_again(svc):
    account = await register(svc)
    _, codes = await protect(account)
    [factor] = (await account.client.get("/v1/me/factors")).json()["items"]
    assert (await account.client.delete(f"/v1/me/factors/{factor['id']}")).status_code == 204
    assert (await log_in(svc, account.email)).json()["user"]["email"] == account.email
    assert (await account.client.get("/v1/me/factors")).json() == {
        "items": [],
        "recovery_codes_left": 0,
        "next_cursor": None,
    }
    assert codes


async def test_somebody_else_s_factor_is_not_there(svc):
    ann, eve = await register(svc), await register(svc)
    await protect(ann)
    [factor] = (await ann.client.get("/v1/me/factors")).json()["items"]
    assert (await eve.client.delete(f"/v1/me/factors/{factor['id']}")).status_code == 404
    confirm = await eve.client.post(f"/v1/me/factors/{factor['id']}/confirm", json={"code": "123456"})
    assert confirm.status_code == 404


async def test_in_production_staff_need_a_second_factor_and_can_have_one(svc):
    admin = await register_admin(svc)
    svc.runtime.settings.environment = "production"
    refused = await admin.client.get("/v1/admin/accounts/users")
    assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_required")
    await protect(admin)
    assert (await admin.client.get("/v1/admin/accounts/users")).status_code == 200


async def test_an_operator_lets_somebody_in_who_lost_everything(svc):
    account = await register(svc)
    await protect(account)
    async with svc.runtime.database.write() as session:
        assert await remove_all_factors(session, account.id) == 1
    assert (await log_in(svc, account.email)).json()["user"]["email"] == account.email
    assert (await mails(svc, account.email))[0]["subject"] == "A second factor was removed from your account"


@pytest.mark.parametrize(
    "body", [{}, {"login_token": "x"}, {"login_token": "x", "code": ""}, {"login_token": "x", "code": "1\x002345"}, []]
)
async def test_a_malformed_second_step_is_refused_clearly(shared_svc, body):
    async with through_gateway(shared_svc) as client:
        answer = await client.post("/v1/auth/login/2fa", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_a_login_that_never_began_is_told_the_same_as_one_that_expired(shared_svc):
    assert (await finish(shared_svc, "never-began", "123456")).json()["code"] == "login_expired"


async def test_no_seed_and_no_code_can_be_read_from_the_database(svc):
    account = await register(svc)
    phone, codes = await protect(account)
    [kept] = await svc.rows("SELECT secret, last_step FROM user_factors")
    assert phone.seed not in kept["secret"]
    assert svc.runtime.parts.seeds.opened(kept["secret"]) == phone.seed
    hashes = {row["code_hash"] for row in await svc.rows("SELECT code_hash FROM recovery_codes")}
    assert len(hashes) == 10
    assert not hashes & {code.encode() for code in codes}


def test_codes_are_those_of_the_standard():
    """The last six digits of RFC 6238's own examples for SHA-1."""
    seed = b"12345678901234567890"
    written = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    assert {moment: code_at(seed, moment) for moment in written} == written


def test_a_code_is_good_for_its_step_and_its_neighbours_and_never_backwards():
    seed, moment = new_seed(), 1_000_000 * STEP_SECONDS
    steps = [
        matching_step(seed, code_at(seed, moment + around * STEP_SECONDS), moment, 0) for around in (-2, -1, 0, 1, 2)
    ]
    assert steps == [None, 999_999, 1_000_000, 1_000_001, None]
    assert matching_step(seed, code_at(seed, moment), moment, 1_000_000) is None


def test_a_secret_can_be_replaced_while_seeds_of_the_old_one_are_read():
    sealed = Seeds(["old"]).sealed(b"seed")
    assert Seeds(["new", "old"]).opened(sealed) == b"seed"
    with pytest.raises(SeedUnreadable):
        Seeds(["new"]).opened(sealed)
