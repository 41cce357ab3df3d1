"""Links in mails work once, for what they were sent for, and not for long."""

import asyncio

import pytest

from tests.support.accounts import log_in, mail_token, mails, register, sign_up, through_gateway

NEW = "a brand new password 7"


async def reset_token(svc, email):
    await through_gateway(svc).post("/v1/auth/password/forgot", json={"email": email})
    return await mail_token(svc, email)


async def reset(svc, token, password=NEW):
    return await through_gateway(svc).post("/v1/auth/password/reset", json={"token": token, "password": password})


async def verify(svc, token):
    return await through_gateway(svc).post("/v1/auth/verify", json={"token": token})


async def test_of_twenty_parallel_uses_of_a_token_exactly_one_succeeds(svc):
    await sign_up(svc, "ann@example.com")
    token = await mail_token(svc, "ann@example.com")
    answers = await asyncio.gather(*(verify(svc, token) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [204] + [410] * 19
    assert len(await svc.published("user.registered")) == 1

    token = await reset_token(svc, "ann@example.com")
    answers = await asyncio.gather(*(reset(svc, token) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [204] + [410] * 19


async def test_a_token_for_one_purpose_is_refused_for_another_and_stays_whole(svc):
    await sign_up(svc, "ann@example.com")
    token = await mail_token(svc, "ann@example.com")
    assert (await reset(svc, token)).status_code == 410
    assert (await verify(svc, token)).status_code == 204


@pytest.mark.parametrize("minutes", [59, 61])
async def test_a_confirmation_link_works_for_an_hour(svc, minutes):
    await sign_up(svc, "ann@example.com")
    token = await mail_token(svc, "ann@example.com")
    svc.clock.advance(minutes * 60)
    assert (await verify(svc, token)).status_code == (204 if minutes < 60 else 410)


@pytest.mark.parametrize("token", ["x", "ä", "a" * 200, "\x00", "../../etc/passwd"])
async def test_made_up_tokens_are_gone(shared_svc, token):
    answer = await verify(shared_svc, token)
    assert answer.status_code == 410
    assert answer.json()["code"] == "link_used_or_expired"


async def test_a_reset_sets_the_password_ends_every_session_signs_nobody_in_and_tells_the_owner(svc):
    account = await register(svc)
    answer = await reset(svc, await reset_token(svc, account.email))
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers
    assert (await account.client.get("/v1/me")).status_code == 401
    assert (await log_in(svc, account.email)).status_code == 401
    assert (await log_in(svc, account.email, NEW)).status_code == 200
    assert (await mails(svc, account.email))[0]["subject"] == "Your password was changed"
    [revoked] = await svc.published("session.revoked")
    assert revoked["data"]["all"] is True


async def test_asking_for_a_reset_changes_nothing(svc):
    account = await register(svc)
    await reset_token(svc, account.email)
    assert (await account.client.get("/v1/me")).status_code == 200
    assert (await log_in(svc, account.email)).status_code == 200


async def test_a_reset_makes_older_reset_links_useless(svc):
    account = await register(svc)
    older, newer = await reset_token(svc, account.email), await reset_token(svc, account.email)
    assert (await reset(svc, newer)).status_code == 204
    assert (await reset(svc, older, "yet another password 8")).status_code == 410


async def test_a_password_the_policy_refuses_does_not_use_the_link_up(svc):
    account = await register(svc)
    token = await reset_token(svc, account.email)
    assert (await reset(svc, token, "password1")).status_code == 422
    assert (await reset(svc, token)).status_code == 204


async def test_a_reset_confirms_the_address_it_was_mailed_to(svc):
    await sign_up(svc, "ann@example.com", password="an attacker's password 1")
    assert (await reset(svc, await reset_token(svc, "ann@example.com"))).status_code == 204
    answer = await log_in(svc, "ann@example.com", NEW)
    assert answer.json()["user"]["email_verified"] is True
    assert len(await svc.published("user.registered")) == 1
