"""What users say about themselves and what others see of it."""

import asyncio

import pytest

from tests.support.accounts import register, sign_up

EVENT = "user.updated"


async def test_a_profile_changes_and_the_others_hear_what_is_public_of_it(svc):
    account = await register(svc)
    answer = await account.client.patch("/v1/me", json={"display_name": "  Ann \t Lee ", "handle": "Ann_Lee"})
    assert (answer.json()["display_name"], answer.json()["handle"]) == ("Ann Lee", "ann_lee")
    [event] = await svc.published(EVENT)
    assert sorted(event["data"]["changed"]) == ["display_name", "handle"]
    answer = await account.client.patch("/v1/me", json={"locale": "de", "timezone": "Europe/Vienna"})
    assert (answer.json()["locale"], answer.json()["timezone"]) == ("de", "Europe/Vienna")
    assert len(await svc.published(EVENT)) == 1


async def test_a_change_to_what_already_is_changes_nothing(svc):
    account = await register(svc, display_name="Ann")
    first = await account.client.get("/v1/me")
    answer = await account.client.patch("/v1/me", json={"display_name": "Ann"})
    assert answer.headers["etag"] == first.headers["etag"]
    assert await svc.published(EVENT) == []


async def test_an_edit_of_an_old_version_is_refused(svc):
    account = await register(svc)
    tag = (await account.client.get("/v1/me")).headers["etag"]
    edits = [
        account.client.patch("/v1/me", json={"display_name": name}, headers={"If-Match": tag}) for name in ("A", "B")
    ]
    assert sorted(answer.status_code for answer in await asyncio.gather(*edits)) == [200, 412]
    current = (await account.client.get("/v1/me")).headers["etag"]
    answer = await account.client.patch("/v1/me", json={"display_name": "C"}, headers={"If-Match": current})
    assert answer.status_code == 200
    assert (await account.client.patch("/v1/me", json={}, headers={"If-Match": "nonsense"})).status_code == 412


async def test_of_parallel_claims_to_a_handle_one_wins(svc):
    users = [await register(svc) for _ in range(5)]
    answers = await asyncio.gather(*(user.client.patch("/v1/me", json={"handle": "queen"}) for user in users))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "handle_taken"}


@pytest.mark.parametrize(
    "body",
    [
        {"handle": "ab"},
        {"handle": "-ab"},
        {"handle": "a" * 31},
        {"handle": "ann lee"},
        {"handle": "änn"},
        {"handle": "ann\n"},
        {"handle": "Support"},
        {"display_name": ""},
        {"display_name": "\u200b"},
        {"display_name": "x" * 61},
        {"display_name": "Ann\x00"},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../etc/passwd"},
        {"locale": "klingon!"},
        {"display_name": 7},
    ],
)
async def test_what_cannot_be_shown_is_refused(shared_svc, body):
    account = await register(shared_svc)
    answer = await account.client.patch("/v1/me", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == next(iter(body))


async def test_roles_address_and_customer_cannot_be_set_by_the_user(svc):
    account = await register(svc)
    before = (await account.client.get("/v1/me")).json()
    body = {"roles": ["admin"], "email": "eve@example.com", "email_verified": False, "stripe_customer_id": "cus_x"}
    assert (await account.client.patch("/v1/me", json=body)).json() == before


async def test_anybody_may_see_a_card_and_nothing_private_is_on_it(svc):
    account = await register(svc, display_name="Ann")
    card = await svc.client().get(f"/v1/users/{account.body['handle'].upper()}")
    assert card.status_code == 200
    assert set(card.json()) == {"handle", "display_name", "created_at"}
    assert account.email.split("@")[0] not in card.text


async def test_nobody_sees_a_card_before_the_address_is_confirmed(svc):
    await sign_up(svc, "ann@example.com")
    [row] = await svc.rows("SELECT handle FROM users")
    assert (await svc.client().get(f"/v1/users/{row['handle']}")).status_code == 404
    assert (await svc.client().get("/v1/users/nobody")).status_code == 404
    assert (await svc.client().get("/v1/users/%00")).status_code in {404, 422}
