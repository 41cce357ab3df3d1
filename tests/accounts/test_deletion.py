"""An account is deleted after its days of grace, when every service has confirmed it, and the address is free again."""

from datetime import timedelta

import pytest

from services.accounts.tasks import follow_deletions
from services.accounts.usecases.deletion import ERASERS
from shared.contracts.common import UserErased
from shared.ids import new_id
from tests.support.accounts import PASSWORD, account_of, log_in, register, register_admin

WEEK = timedelta(days=7).total_seconds()


async def asked(account, **body):
    answer = await account.client.request("DELETE", "/v1/me", json=body or None)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def erased(svc, request_id, *services):
    for service in services:
        await svc.receive(UserErased(request_id=request_id, service=service, counts={"rows": 3}))


async def state_of(svc, request_id):
    [row] = await svc.rows("SELECT state FROM deletion_requests WHERE id = %(id)s", id=request_id)
    return row["state"]


async def test_asking_signs_out_everywhere_at_once_and_erases_nothing_yet(svc):
    account = await register(svc)
    key = (await account.client.post("/v1/me/api-keys", json={"name": "k", "scopes": ["profile:read"]})).json()["key"]
    request = await asked(account)
    assert request["state"] == "waiting"
    assert (await account.client.get("/v1/me")).status_code == 401
    async with svc.client() as keyed:
        answer = await keyed.get("/_verify?aud=accounts", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401
    await follow_deletions(svc.runtime)
    assert await svc.published("user.deletion_requested") == []
    mails = [mail["data"]["template"] for mail in await svc.published("mail.requested")]
    assert mails[-1] == "deletion_requested"


async def test_a_new_login_within_the_days_of_grace_can_take_it_back(svc):
    account = await register(svc)
    first = await asked(account)
    again = await account_of(svc, account.email)
    assert (await asked(again))["request_id"] == first["request_id"]
    again = await account_of(svc, account.email)
    assert (await again.client.get("/v1/me/deletion")).json()["request_id"] == first["request_id"]
    assert (await again.client.post("/v1/me/deletion/cancel")).status_code == 204
    assert (await again.client.post("/v1/me/deletion/cancel")).json()["code"] == "deletion_not_found"
    assert (await again.client.get("/v1/me/deletion")).status_code == 404
    svc.clock.advance(WEEK)
    await follow_deletions(svc.runtime)
    assert await svc.published("user.deletion_requested") == []
    assert (await asked(await account_of(svc, account.email)))["request_id"] != first["request_id"]


async def test_after_the_days_of_grace_every_service_is_told_and_nobody_can_log_in(svc):
    account = await register(svc)
    request = await asked(account, forum_content="blank")
    late = await account_of(svc, account.email)
    svc.clock.advance(WEEK)
    for _ in range(2):
        await follow_deletions(svc.runtime)
    [told] = await svc.published("user.deletion_requested")
    assert told["data"]["forum_content"] == "blank"
    assert sorted(told["data"]["services"]) == sorted(ERASERS)
    assert await state_of(svc, request["request_id"]) == "erasing"
    assert (await log_in(svc, account.email, PASSWORD)).status_code == 401
    assert (await late.client.get("/v1/me")).status_code == 401


async def test_the_last_confirmation_finishes_it_and_the_address_is_free_again(svc):
    account = await register(svc)
    request_id = (await asked(account))["request_id"]
    svc.clock.advance(WEEK)
    await follow_deletions(svc.runtime)
    await erased(svc, request_id, *ERASERS[1:], *ERASERS[1:])
    assert await svc.published("user.deleted") == []
    await erased(svc, request_id, ERASERS[0])
    [deleted] = await svc.published("user.deleted")
    assert deleted["data"]["partial_services"] == []
    assert await state_of(svc, request_id) == "done"
    for table in ("users", "user_sessions", "api_keys", "user_usage_stats", "one_time_tokens"):
        column = "id" if table == "users" else "user_id"
        assert await svc.rows(f"SELECT 1 FROM {table} WHERE {column} = %(id)s", id=account.id) == []
    assert (await register(svc, email=account.email)).id != account.id


async def test_a_service_that_stays_silent_is_named_and_may_still_confirm(svc):
    account = await register(svc)
    request_id = (await asked(account))["request_id"]
    svc.clock.advance(WEEK)
    await follow_deletions(svc.runtime)
    await erased(svc, request_id, *ERASERS[1:])
    svc.clock.advance(timedelta(hours=72).total_seconds())
    for _ in range(2):
        await follow_deletions(svc.runtime)
    [deleted] = await svc.published("user.deleted")
    assert deleted["data"]["partial_services"] == [ERASERS[0]]
    assert await state_of(svc, request_id) == "partial"
    await erased(svc, request_id, ERASERS[0])
    assert await state_of(svc, request_id) == "done"


async def test_an_administrator_and_somebody_who_logged_in_long_ago_cannot_just_delete(svc):
    admin = await register_admin(svc)
    assert (await admin.client.request("DELETE", "/v1/me")).json()["code"] == "not_on_yourself"
    account = await register(svc)
    svc.clock.advance(3600)
    assert (await account.client.request("DELETE", "/v1/me")).status_code == 403


@pytest.mark.parametrize("body", [{"forum_content": "burn"}, {"colour": 1}, []])
async def test_a_wish_that_is_none_is_refused(shared_svc, body):
    account = await register(shared_svc)
    assert (await account.client.request("DELETE", "/v1/me", json=body)).status_code == 422


async def test_a_confirmation_of_something_nobody_asked_for_changes_nothing(svc):
    await erased(svc, new_id(), "jobs")
    assert await svc.rows("SELECT 1 FROM deletion_confirmations") == []
