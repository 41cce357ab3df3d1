"""Sessions: how long they live, how they end, and that nobody else's can be touched."""

import asyncio
from uuid import uuid4

import pytest

from services.accounts.usecases import disable_user
from tests.support.accounts import account_of, log_in, mails, register, through_gateway

DAY = 24 * 3600
NEW = "a brand new password 7"


async def status(account):
    return (await account.client.get("/v1/me")).status_code


async def test_the_list_names_devices_and_marks_the_current_one(svc):
    account = await register(svc)
    chrome = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
    body = {"email": account.email, "password": account.password}
    await through_gateway(svc, **{"User-Agent": chrome}).post("/v1/auth/login", json=body)
    items = (await account.client.get("/v1/me/sessions")).json()["items"]
    assert len(items) == 2
    assert [item["current"] for item in items].count(True) == 1
    assert {item["device_label"] for item in items} >= {"Chrome on Windows"}
    assert {item["ip"] for item in items} == {"198.51.100.7"}
    wanted = {"id", "current", "device_label", "ip", "created_at", "last_seen_at", "expires_at"}
    assert set(items[0]) == wanted


async def test_logging_out_ends_this_session_at_once_and_takes_the_cookie_away(svc):
    account = await register(svc)
    other = await account_of(svc, account.email)
    answer = await account.client.post("/v1/auth/logout")
    assert answer.status_code == 204
    assert "sid=;" in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await status(account), await status(other)) == (401, 200)


async def test_one_the_others_and_all_sessions_can_be_ended_at_once(svc):
    one = await register(svc)
    two, three, four = [await account_of(svc, one.email) for _ in range(3)]
    for account in (one, two, three, four):
        assert await status(account) == 200
    sessions = (await two.client.get("/v1/me/sessions")).json()["items"]
    mine = next(item["id"] for item in sessions if item["current"])
    assert (await one.client.delete(f"/v1/me/sessions/{mine}")).status_code == 204
    assert (await status(one), await status(two)) == (200, 401)
    assert (await one.client.delete("/v1/me/sessions?others=true")).status_code == 204
    assert (await status(one), await status(three), await status(four)) == (200, 401, 401)
    assert (await one.client.delete("/v1/me/sessions?all=true")).status_code == 204
    assert await status(one) == 401
    events = [event["data"] for event in await svc.published("session.revoked")]
    assert [event["session_ids"] for event in events[:1]] == [[mine]]
    assert [event["all"] for event in events] == [False, False, True]


@pytest.mark.parametrize("query", ["", "?others=true&all=true", "?others=maybe"])
async def test_ending_sessions_without_saying_which_is_refused(svc, query):
    account = await register(svc)
    assert (await account.client.delete(f"/v1/me/sessions{query}")).status_code == 422
    assert await status(account) == 200


async def test_a_stranger_s_session_is_not_there(svc):
    ann, eve = await register(svc), await register(svc)
    session_id = (await ann.client.get("/v1/me/sessions")).json()["items"][0]["id"]
    assert (await eve.client.delete(f"/v1/me/sessions/{session_id}")).status_code == 404
    assert await status(ann) == 200
    assert (await eve.client.delete("/v1/me/sessions/not-an-id")).status_code == 422


async def test_an_idle_session_ends_after_two_weeks(svc):
    account = await register(svc)
    svc.clock.advance(14 * DAY - 60)
    assert await status(account) == 200
    svc.clock.advance(14 * DAY + 1)
    assert await status(account) == 401


async def test_a_session_in_use_ends_after_ninety_days_all_the_same(svc):
    account = await register(svc)
    for _ in range(8):
        svc.clock.advance(11 * DAY)
        assert await status(account) == 200
    svc.clock.advance(2 * DAY + 1)
    assert await status(account) == 401


async def test_being_seen_is_written_at_most_every_five_minutes(svc):
    account = await register(svc)

    async def seen():
        svc.runtime.parts.credentials.forget_all()
        assert await status(account) == 200
        return (await svc.rows("SELECT last_seen_at, xmin::text AS written FROM user_sessions"))[0]

    first = await seen()
    svc.clock.advance(299)
    assert await seen() == first
    svc.clock.advance(2)
    later = await seen()
    assert later["last_seen_at"] == svc.clock.now()
    svc.clock.advance(301)
    svc.runtime.parts.credentials.forget_all()
    before = (await svc.rows("SELECT xmin::text AS written FROM user_sessions"))[0]
    await asyncio.gather(*(status(account) for _ in range(20)))
    after = (await svc.rows("SELECT xmin::text AS written, last_seen_at FROM user_sessions"))[0]
    assert before["written"] != after["written"]
    assert after["last_seen_at"] == svc.clock.now()


async def test_changing_the_password_ends_the_other_sessions_and_tells_the_owner(svc):
    account = await register(svc)
    other = await account_of(svc, account.email)
    body = {"current_password": account.password, "new_password": NEW}
    assert (await account.client.post("/v1/me/password", json=body)).status_code == 204
    assert (await status(account), await status(other)) == (200, 401)
    assert (await mails(svc, account.email))[0]["subject"] == "Your password was changed"
    assert await status(await account_of(svc, account.email, NEW)) == 200


async def test_changing_the_password_needs_the_old_one_and_a_good_new_one(svc):
    account = await register(svc)
    wrong = {"current_password": "not the password", "new_password": NEW}
    answer = await account.client.post("/v1/me/password", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (403, "password_wrong")
    weak = {"current_password": account.password, "new_password": "password1"}
    answer = await account.client.post("/v1/me/password", json=weak)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "new_password"
    assert await status(await account_of(svc, account.email)) == 200


async def test_of_parallel_password_changes_one_wins_and_the_others_hear_so(svc):
    account = await register(svc)
    bodies = [{"current_password": account.password, "new_password": f"{NEW} {number}"} for number in range(6)]
    answers = await asyncio.gather(*(account.client.post("/v1/me/password", json=body) for body in bodies))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [204, 403, 403, 403, 403, 403]
    assert await status(await account_of(svc, account.email, f"{NEW} {statuses.index(204)}")) == 200


async def test_reauthentication_needs_the_password_and_is_limited(accounts):
    async with accounts(limits={"login_account": 3}) as svc:
        account = await register(svc)
        right, wrong = {"password": account.password}, {"password": "guess"}
        assert (await account.client.post("/v1/auth/reauth", json=wrong)).status_code == 403
        assert (await account.client.post("/v1/auth/reauth", json=right)).status_code == 204
        assert (await account.client.post("/v1/auth/reauth", json=wrong)).status_code == 403
        assert (await account.client.post("/v1/auth/reauth", json=right)).status_code == 429


async def test_logins_while_the_account_is_being_closed_leave_no_session_alive(svc):
    account = await register(svc)

    async def close():
        async with svc.runtime.database.write() as session:
            await disable_user(session, account.id, by=uuid4(), reason="", now=svc.clock.now())

    await asyncio.gather(*(log_in(svc, account.email) for _ in range(8)), close())
    live = await svc.rows("SELECT count(*) AS n FROM user_sessions WHERE revoked_at IS NULL")
    assert live == [{"n": 0}]
