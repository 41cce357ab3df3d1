"""From a sign-up to a user whom the other services know."""

import asyncio

import pytest

from services.accounts.tasks import prune
from tests.support.accounts import log_in, mail_token, mails, register, sent_mails, sign_up, through_gateway


async def test_a_new_user_signs_up_confirms_by_mail_logs_in_and_reads_themselves(svc):
    account = await register(svc, "Ann@Example.com", display_name="Ann Lee")
    me = (await account.client.get("/v1/me")).json()
    assert me["email"] == "Ann@Example.com"
    assert me["email_verified"] is True
    assert me["display_name"] == "Ann Lee"
    assert me["handle"].startswith("ann-lee-")
    assert me["roles"] == ["user"]
    assert me["id"] == str(account.id)
    assert me["stripe_customer_id"] is None


async def test_nothing_is_published_about_a_user_before_the_first_confirmation(svc):
    await sign_up(svc, "ann@example.com", referral_code="FRIEND")
    assert {event["type"] for event in await svc.published()} == {"mail.requested"}
    token = await mail_token(svc, "ann@example.com")
    async with through_gateway(svc) as client:
        await client.post("/v1/auth/verify", json={"token": token})
    [registered] = await svc.published("user.registered")
    assert registered["data"]["referral_code"] == "FRIEND"
    assert registered["data"]["click_id"] is None
    assert "ann@example.com" not in str(registered)
    [changed] = await svc.published("user.email_changed")
    assert changed["data"]["email"] == "ann@example.com"


async def test_a_second_confirmation_publishes_nothing_again(svc):
    await sign_up(svc, "ann@example.com")
    first = await mail_token(svc, "ann@example.com")
    await sign_up(svc, "ann@example.com")
    second = await mail_token(svc, "ann@example.com")
    assert first != second
    async with through_gateway(svc) as client:
        answers = [await client.post("/v1/auth/verify", json={"token": token}) for token in (first, second)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert len(await svc.published("user.registered")) == 1


@pytest.mark.parametrize(
    ("cookie", "typed", "code", "click"),
    [
        ("FRIEND.click-1", None, "FRIEND", "click-1"),
        ("FRIEND.click-1", "OTHER", "OTHER", None),
        ("FRIEND", None, "FRIEND", None),
        ("bad code!.x", None, None, None),
        (None, None, None, None),
    ],
)
async def test_the_referral_comes_from_the_cookie_unless_a_code_is_typed(svc, cookie, typed, code, click):
    headers = {"Cookie": f'atelier_ref="{cookie}"'} if cookie else {}
    body = {"email": "ann@example.com", "password": "correct horse battery 42", "referral_code": typed}
    async with through_gateway(svc, **headers) as client:
        await client.post("/v1/auth/signup", json=body)
    await through_gateway(svc).post("/v1/auth/verify", json={"token": await mail_token(svc, "ann@example.com")})
    [registered] = await svc.published("user.registered")
    assert (registered["data"]["referral_code"], registered["data"]["click_id"]) == (code, click)


async def test_twenty_sign_ups_of_one_address_at_once_make_one_user_and_look_alike(svc):
    variants = ["bob@gmail.com", "Bob@Gmail.com", "b.ob@gmail.com", "BOB@googlemail.com", " bob@gmail.com. "] * 4
    answers = await asyncio.gather(*(sign_up(svc, variant) for variant in variants))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert await svc.rows("SELECT count(*) AS users FROM users") == [{"users": 1}]


@pytest.mark.parametrize("path", ["/v1/auth/signup", "/v1/auth/verify/resend", "/v1/auth/password/forgot"])
async def test_known_and_unknown_addresses_get_the_same_answer_and_no_mail_is_sent_within_it(svc, path):
    known = await register(svc, "known@example.com")
    before = len(sent_mails(svc))

    async def ask(email):
        body = {"email": email, "password": known.password}
        async with through_gateway(svc, **{"X-Request-Id": "same-for-both"}) as client:
            return await client.post(path, json=body)

    one, other = await ask("known@example.com"), await ask("other@example.com")
    assert (one.status_code, one.content) == (other.status_code, other.content) == (202, b'{"status":"check_email"}')
    assert one.headers == other.headers
    assert len(sent_mails(svc)) == before


async def test_answers_about_addresses_take_a_fixed_time_at_least(accounts):
    async with accounts(quiet_answer_seconds=0.15) as svc:
        loop = asyncio.get_running_loop()
        for path in ("/v1/auth/verify/resend", "/v1/auth/password/forgot"):
            started = loop.time()
            await through_gateway(svc).post(path, json={"email": "nobody@example.com"})
            assert loop.time() - started >= 0.15


async def test_who_signs_up_again_is_told_by_mail_that_they_have_an_account(svc):
    await register(svc, "ann@example.com")
    await sign_up(svc, "ann@example.com", password="another password 7")
    assert (await mails(svc, "ann@example.com"))[0]["subject"] == "You already have an account"
    assert (await log_in(svc, "ann@example.com", "another password 7")).status_code == 401


async def test_a_user_who_has_not_confirmed_reaches_only_themselves_and_logout(svc):
    await sign_up(svc, "ann@example.com")
    answer = await log_in(svc, "ann@example.com")
    assert answer.status_code == 200
    assert answer.json()["user"]["email_verified"] is False
    client = through_gateway(svc, answer.json()["session_token"])
    assert (await client.get("/v1/me")).status_code == 200
    refused = [
        await client.patch("/v1/me", json={"display_name": "X"}),
        await client.get("/v1/me/sessions"),
        await client.get("/v1/me/usage"),
        await client.post("/v1/me/api-keys", json={"name": "k", "scopes": ["jobs:read"]}),
        await client.post("/v1/me/password", json={"current_password": "x", "new_password": "y"}),
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert (await client.post("/v1/auth/verify/resend", json={"email": "ann@example.com"})).status_code == 202
    assert (await client.post("/v1/auth/logout")).status_code == 204
    assert (await client.get("/v1/me")).status_code == 401


async def test_aliases_of_one_mailbox_have_one_fingerprint_and_others_another(svc):
    for email in ("ann@example.com", "ann+shop@example.com", "eve@example.com"):
        await register(svc, email)
    prints = [event["data"]["email_fingerprint"] for event in await svc.published("user.registered")]
    assert prints[0] == prints[1] != prints[2]


async def test_sign_ups_from_one_network_are_limited_and_other_networks_go_on(accounts):
    async with accounts(limits={"signup_network": 3}) as svc:
        body = {"password": "correct horse battery 42"}
        answers = []
        for number in range(4):
            client = through_gateway(svc, client_ip=f"203.0.113.{number}")
            answers.append(await client.post("/v1/auth/signup", json={**body, "email": f"u{number}@example.com"}))
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        assert answers[3].json()["code"] == "rate_limited"
        assert int(answers[3].headers["Retry-After"]) > 0
        elsewhere = through_gateway(svc, client_ip="203.0.114.1")
        assert (await elsewhere.post("/v1/auth/signup", json={**body, "email": "u9@example.com"})).status_code == 202


async def test_mails_to_one_address_are_limited_whether_or_not_it_is_known(accounts):
    async with accounts(limits={"mail_account": 3}) as svc:
        for email in ("known@example.com", "unknown@example.com"):
            client = through_gateway(svc)
            answers = [await client.post("/v1/auth/password/forgot", json={"email": email}) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [202, 202, 202, 429]


async def test_signing_a_known_address_up_again_and_again_cannot_flood_its_mailbox(accounts):
    async with accounts(limits={"mail_account": 3}) as svc:
        answers = [await sign_up(svc, "ann@example.com") for _ in range(8)]
        assert {answer.status_code for answer in answers} == {202}
        assert len(await mails(svc, "ann@example.com")) == 3


@pytest.mark.parametrize(
    "email",
    [
        *("", "ann", "ann@", "@example.com", "ann@example", "a b@example.com", "ann@exa mple.com", "ann@-bad-.com"),
        *("ann@example..com", "a\nb@example.com", "a\x00b@example.com", "a" * 65 + "@example.com", "a@b.io,c@d.io"),
    ],
)
async def test_what_is_not_an_address_is_refused_by_field(shared_svc, email):
    answer = await sign_up(shared_svc, email)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "email"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("sev3n c", "too_short"),
        ("é" * 200, "too_long"),
        ("Password1", "too_common"),
        ("qwertyuiop", "too_common"),
        ("annemarie123", "too_guessable"),
        ("atelier1", "too_guessable"),
    ],
)
async def test_weak_passwords_are_refused_with_the_reason(shared_svc, password, reason):
    answer = await sign_up(shared_svc, "annemarie@example.com", password=password)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "password", "code": reason, "detail": answer.json()["errors"][0]["detail"]}
    ]
    assert password not in answer.text


async def test_passwords_are_taken_exactly_as_typed(svc):
    password = "  spaces\tand ünïcödé 🔑 stay  "
    account = await register(svc, password=password)
    assert (await log_in(svc, account.email, password.strip())).status_code == 401
    assert (await log_in(svc, account.email, password)).status_code == 200


async def test_sign_ups_nobody_confirms_disappear_after_two_days(svc):
    await sign_up(svc, "ann@example.com")
    stayer = await register(svc)
    svc.clock.advance(49 * 3600)
    await prune(svc.runtime)
    assert await svc.rows("SELECT id FROM users") == [{"id": stayer.id}]
    await register(svc, "ann@example.com")
