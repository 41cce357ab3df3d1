"""API keys: shown once, scoped, rotated without a gap, and useless for what only a person may do."""

from datetime import timedelta

import pytest

from services.accounts.tasks import write_key_use
from services.accounts.tokens import compose_key, split_key
from services.accounts.verification import verify
from shared.identity import IDENTITY_HEADER, FileKeys, Verifier
from tests.support.accounts import register, register_admin, through_gateway

KEYS = "/v1/me/api-keys"


async def make_key(account, *scopes, **body):
    answer = await account.client.post(KEYS, json={"name": "ci", "scopes": list(scopes or ["profile:read"]), **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def status(svc, key, path="/v1/me"):
    return (await through_gateway(svc, key).get(path)).status_code


async def test_a_key_is_shown_once_and_then_only_by_its_ends(svc):
    account = await register(svc)
    made = await make_key(account, "profile:read", "usage:read")
    assert made["key"].startswith(made["prefix"])
    assert made["key"].endswith(made["last4"])
    assert len(made["key"]) == len("ak_live_") + 8 + 32 + 6
    for answer in (await account.client.get(KEYS), await account.client.get(f"{KEYS}/{made['id']}")):
        assert made["key"] not in answer.text
    [listed] = (await account.client.get(KEYS)).json()["items"]
    assert {"id", "name", "prefix", "last4", "scopes", "expires_at", "last_used_at", "created_at"} <= set(listed)


async def test_a_key_does_what_its_scopes_say_and_nothing_else(svc):
    account = await register(svc)
    key = (await make_key(account, "usage:read"))["key"]
    assert await status(svc, key, "/v1/me/usage") == 200
    assert await status(svc, key, "/v1/me") == 403


async def test_no_key_reaches_what_only_a_person_may_do(svc):
    admin = await register_admin(svc)
    scopes = ["profile:read", "usage:read", "jobs:write", "billing:write", "community:write"]
    client = through_gateway(svc, (await make_key(admin, *scopes))["key"])
    passwords = {"current_password": admin.password, "new_password": "a brand new password 7"}
    answers = [
        await client.get(KEYS),
        await client.post(KEYS, json={"name": "x", "scopes": ["jobs:read"]}),
        await client.get("/v1/me/sessions"),
        await client.delete("/v1/me/sessions?all=true"),
        await client.patch("/v1/me", json={"display_name": "X"}),
        await client.post("/v1/me/password", json=passwords),
        await client.post("/v1/auth/reauth", json={"password": admin.password}),
        await client.post("/v1/auth/logout"),
        await client.get("/v1/admin/accounts/users"),
    ]
    assert {answer.status_code for answer in answers} == {403}


async def test_a_rotated_key_works_at_once_and_the_old_secret_until_the_overlap_ends(svc):
    account = await register(svc)
    first = await make_key(account)
    second = (await account.client.post(f"{KEYS}/{first['id']}/rotate")).json()
    assert second["id"] == first["id"]
    assert second["key"] != first["key"]
    assert [await status(svc, key["key"]) for key in (first, second)] == [200, 200]
    svc.clock.advance(24 * 3600 - 1)
    assert await status(svc, first["key"]) == 200
    svc.clock.advance(2)
    assert [await status(svc, key["key"]) for key in (first, second)] == [401, 200]


async def test_a_second_rotation_ends_the_first_secret_and_no_overlap_ends_it_at_once(svc):
    account = await register(svc)
    first = await make_key(account)
    path = f"{KEYS}/{first['id']}/rotate"
    second = (await account.client.post(path)).json()
    third = (await account.client.post(path)).json()
    assert [await status(svc, key["key"]) for key in (first, second, third)] == [401, 200, 200]
    fourth = (await account.client.post(path, json={"overlap_seconds": 0})).json()
    assert [await status(svc, key["key"]) for key in (third, fourth)] == [401, 200]


async def test_a_revoked_key_stops_at_once(svc):
    account = await register(svc)
    made = await make_key(account)
    assert await status(svc, made["key"]) == 200
    assert (await account.client.delete(f"{KEYS}/{made['id']}")).status_code == 204
    assert await status(svc, made["key"]) == 401
    assert (await account.client.get(KEYS)).json()["items"] == []
    assert (await account.client.get(f"{KEYS}/{made['id']}")).status_code == 404


async def test_a_key_expires_when_it_said(svc):
    account = await register(svc)
    end = svc.clock.now() + timedelta(hours=1)
    key = (await make_key(account, expires_at=end.isoformat()))["key"]
    assert await status(svc, key) == 200
    svc.clock.advance(3601)
    assert await status(svc, key) == 401


async def test_the_keys_of_a_closed_account_stop(svc):
    account, admin = await register(svc), await register_admin(svc)
    key = (await make_key(account))["key"]
    assert await status(svc, key) == 200
    await admin.client.post(f"/v1/admin/accounts/users/{account.id}/disable", json={"reason": "spam"})
    assert await status(svc, key) == 401


async def test_last_use_is_noted_and_written_together_later(svc):
    account = await register(svc)
    made = await make_key(account)
    svc.clock.advance(60)
    for _ in range(3):
        await status(svc, made["key"])
    assert (await account.client.get(f"{KEYS}/{made['id']}")).json()["last_used_at"] is None
    await write_key_use(svc.runtime)
    shown = (await account.client.get(f"{KEYS}/{made['id']}")).json()["last_used_at"]
    assert shown.startswith(svc.clock.now().strftime("%Y-%m-%dT%H:%M:%S"))


async def test_only_an_administrator_makes_a_runner_key_and_it_names_its_tools(svc):
    account, admin = await register(svc), await register_admin(svc)
    body = {"name": "runner", "scopes": ["runner"], "tools": ["memes", "images"]}
    refused = await account.client.post(KEYS, json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_not_grantable")
    key = (await make_key(admin, "runner", tools=["memes", "images"]))["key"]
    bearer = {"authorization": f"Bearer {key}"}
    answer = await verify(svc.runtime, audience="jobs", method="POST", path="/", headers=bearer, client_ip="::1")
    verifier = Verifier("jobs", FileKeys(svc.runtime.settings.keys_path / "jwks.json"))
    caller = await verifier.principal(answer.headers[IDENTITY_HEADER])
    assert (caller.scopes, caller.runner_tools) == ({"runner"}, ("memes", "images"))
    assert caller.key_id == split_key(key)[0]
    assert caller.session_id is None


async def test_a_runner_key_without_tools_is_for_every_tool_and_still_an_administrator_s(svc):
    account, admin = await register(svc), await register_admin(svc)
    body = {"name": "gpu box", "scopes": ["jobs:read", "runner"]}
    assert (await account.client.post(KEYS, json=body)).status_code == 403
    made = await admin.client.post(KEYS, json=body)
    assert (made.status_code, made.json()["tools"]) == (201, [])


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "", "scopes": ["jobs:read"]},
        {"name": "x", "scopes": ["jobs:read"], "tools": ["memes"]},
        {"name": "x", "scopes": ["jobs:read"], "expires_at": "2001-01-01T00:00:00Z"},
        {"name": "x", "scopes": ["jobs:read"], "expires_at": "2030-01-01T00:00:00"},
        {"name": "\x00", "scopes": ["jobs:read"]},
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(shared_svc, body):
    account = await register(shared_svc)
    answer = await account.client.post(KEYS, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_a_stranger_s_key_is_not_there(svc):
    ann, eve = await register(svc), await register(svc)
    made = await make_key(ann)
    path = f"{KEYS}/{made['id']}"
    answers = [
        await eve.client.get(path),
        await eve.client.patch(path, json={"name": "mine"}),
        await eve.client.post(f"{path}/rotate"),
        await eve.client.delete(path),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert await status(svc, made["key"]) == 200


async def test_a_key_can_be_renamed_and_there_are_only_so_many(svc):
    account = await register(svc)
    made = await make_key(account)
    renamed = await account.client.patch(f"{KEYS}/{made['id']}", json={"name": "nightly"})
    assert renamed.json()["name"] == "nightly"
    for _ in range(24):
        await make_key(account)
    answer = await account.client.post(KEYS, json={"name": "x", "scopes": ["jobs:read"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_keys")


async def test_the_right_id_with_another_secret_is_refused(svc):
    account = await register(svc)
    key_id, secret = split_key((await make_key(account))["key"])
    other = compose_key(key_id, secret[::-1])
    assert await status(svc, other) == 401
