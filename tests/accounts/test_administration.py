"""What staff may do, and that nobody else may."""

import pytest

from services.accounts.errors import PasswordRefused
from services.accounts.usecases import create_admin
from tests.support.accounts import PASSWORD, account_of, log_in, register, register_admin

USERS = "/v1/admin/accounts/users"


async def test_the_first_admin_is_made_from_the_command_line_and_can_log_in(svc):
    admin = await register_admin(svc, "root@example.com")
    assert admin.body["roles"] == ["admin", "user"]
    assert admin.body["email_verified"] is True
    assert (await admin.client.get(USERS)).status_code == 200
    assert len(await svc.published("user.registered")) == 1
    [changed] = await svc.published("user.roles_changed")
    assert changed["data"]["roles"] == ["admin", "user"]


async def test_making_an_admin_of_an_existing_user_keeps_their_password_and_works_at_once(svc):
    account = await register(svc)
    assert (await account.client.get(USERS)).status_code == 403
    for _ in range(2):
        async with svc.runtime.database.write() as session:
            given = {"now": svc.clock.now(), "settings": svc.runtime.settings}
            assert await create_admin(session, account.email.upper(), "another password 9", **given) == account.id
    svc.runtime.parts.credentials.forget(account.id)
    assert (await account.client.get(USERS)).status_code == 200
    assert (await log_in(svc, account.email, PASSWORD)).status_code == 200
    assert len(await svc.published("user.roles_changed")) == 1


async def test_an_admin_needs_a_good_password_too(svc):
    with pytest.raises(PasswordRefused):
        async with svc.runtime.database.write() as session:
            await create_admin(session, "a@b.io", "password", now=svc.clock.now(), settings=svc.runtime.settings)
    assert await svc.rows("SELECT id FROM users") == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/{id}"),
        ("PATCH", "/{id}"),
        ("POST", "/{id}/disable"),
        ("POST", "/{id}/enable"),
        ("POST", "/{id}/revoke-sessions"),
    ],
)
async def test_users_and_strangers_reach_no_admin_route(shared_svc, method, path):
    account = await register(shared_svc)
    url = USERS + path.format(id=account.id)
    assert (await account.client.request(method, url, json={"roles": ["admin"]})).status_code == 403
    assert (await shared_svc.client().request(method, url, json={"roles": ["admin"]})).status_code == 401
    assert (await account_of(shared_svc, account.email)).body["roles"] == ["user"]


async def test_users_are_found_by_the_beginning_of_address_or_handle_in_pages(svc):
    admin = await register_admin(svc, "root@example.com")
    for number in range(5):
        await register(svc, f"per_son{number}@example.com", display_name="Zoe")
    seen, cursor = [], None
    while True:
        query = {"query": "PER_SON", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await admin.client.get(USERS, params=query)).json()
        seen += [user["email"] for user in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"per_son{number}@example.com" for number in reversed(range(5))]
    assert len((await admin.client.get(USERS, params={"query": "zoe-"})).json()["items"]) == 5
    assert (await admin.client.get(USERS, params={"query": "per%"})).json()["items"] == []
    assert (await admin.client.get(USERS, params={"cursor": "forged"})).status_code == 400


async def test_a_disabled_user_is_out_at_once_and_back_in_when_enabled(svc):
    admin, account = await register_admin(svc), await register(svc)
    url = f"{USERS}/{account.id}"
    answer = await admin.client.post(f"{url}/disable", json={"reason": "spam"})
    assert answer.json()["status"] == "disabled"
    assert (await account.client.get("/v1/me")).status_code == 401
    assert (await log_in(svc, account.email)).status_code == 401
    assert (await svc.client().get(f"/v1/users/{account.body['handle']}")).status_code == 404
    [disabled] = await svc.published("user.disabled")
    assert disabled["data"] == {"user_id": str(account.id), "reason": "spam"}
    assert len(await svc.published("session.revoked")) == 1
    assert (await admin.client.post(f"{url}/disable")).status_code == 200
    assert len(await svc.published("user.disabled")) == 1
    assert (await admin.client.post(f"{url}/enable")).json()["status"] == "active"
    assert (await account.client.get("/v1/me")).status_code == 401
    assert (await log_in(svc, account.email)).status_code == 200


async def test_roles_change_at_once_and_are_published(svc):
    admin, account = await register_admin(svc), await register(svc)
    assert (await account.client.get("/v1/me")).json()["roles"] == ["user"]
    answer = await admin.client.patch(f"{USERS}/{account.id}", json={"roles": ["moderator"]})
    assert answer.json()["roles"] == ["moderator", "user"]
    assert (await account.client.get("/v1/me")).json()["roles"] == ["moderator", "user"]
    assert (await svc.published("user.roles_changed"))[-1]["data"]["roles"] == ["moderator", "user"]
    assert (await admin.client.patch(f"{USERS}/{account.id}", json={"roles": ["emperor"]})).status_code == 422


async def test_admins_cannot_lock_themselves_out(svc):
    admin = await register_admin(svc)
    url = f"{USERS}/{admin.id}"
    answers = [await admin.client.patch(url, json={"roles": []}), await admin.client.post(f"{url}/disable")]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "not_on_yourself")] * 2
    assert (await admin.client.get(USERS)).status_code == 200


async def test_staff_can_sign_a_user_out_everywhere(svc):
    admin, account = await register_admin(svc), await register(svc)
    assert (await admin.client.post(f"{USERS}/{account.id}/revoke-sessions")).status_code == 204
    assert (await account.client.get("/v1/me")).status_code == 401


async def test_an_unknown_user_is_not_found(svc):
    admin = await register_admin(svc)
    missing = f"{USERS}/01890000-0000-7000-8000-000000000000"
    assert (await admin.client.get(missing)).status_code == 404
    assert (await admin.client.post(f"{missing}/disable")).status_code == 404
    assert (await admin.client.get(f"{USERS}/7")).status_code == 422
