"""What accounts says about people and their logins reaches open streams and everything that is said afterwards."""

import asyncio

from shared.contracts.accounts import SessionRevoked, UserDisabled, UserEnabled
from shared.ids import new_id
from tests.support.chat import begin_answer, chat_service, finished, listen, over_http, say, start

ENDS = {"message.completed", "message.stopped", "message.failed"}
LONG = {"word_seconds": 0.3, "items": 1}


async def told_until_the_end(client, message_id, *, first=lambda: None):
    """Every event of the stream; `first` is awaited after the first one."""
    events = []
    async with asyncio.timeout(10):
        async for told in listen(client, f"/v1/chat/messages/{message_id}/stream"):
            events.append(told)
            if len(events) == 1 and (act := first()):
                await act
    return events


async def test_an_open_stream_ends_when_all_logins_are_revoked(user_id):
    async with chat_service(**LONG) as svc, over_http(svc, user_id) as client:
        message_id = await begin_answer(client, await start(client))
        revoked = SessionRevoked(user_id=user_id, all=True)
        events = await told_until_the_end(client, message_id, first=lambda: svc.receive(revoked))
        assert not ENDS & {told.name for told in events}


async def test_an_open_stream_ends_when_its_user_is_disabled(user_id):
    async with chat_service(**LONG) as svc, over_http(svc, user_id) as client:
        message_id = await begin_answer(client, await start(client))
        disabled = UserDisabled(user_id=user_id, reason="abuse")
        events = await told_until_the_end(client, message_id, first=lambda: svc.receive(disabled))
        assert not ENDS & {told.name for told in events}


async def test_only_the_revoked_login_s_streams_end(user_id):
    async with chat_service(**{**LONG, "word_seconds": 0.05}) as svc:
        here, there = new_id(), new_id()
        async with over_http(svc, user_id, sid=str(here)) as kept, over_http(svc, user_id, sid=str(there)) as lost:
            message_id = await begin_answer(kept, await start(kept))
            revoked = SessionRevoked(user_id=user_id, session_ids=[there])
            cut = told_until_the_end(lost, message_id, first=lambda: svc.receive(revoked))
            whole, cut = await asyncio.gather(told_until_the_end(kept, message_id), cut)
        assert whole[-1].name == "message.completed"
        assert not ENDS & {told.name for told in cut}


async def test_anothers_revoked_login_ends_nothing(user_id):
    async with chat_service(**{**LONG, "word_seconds": 0.02}) as svc, over_http(svc, user_id) as client:
        message_id = await begin_answer(client, await start(client))
        revoked = SessionRevoked(user_id=new_id(), all=True)
        events = await told_until_the_end(client, message_id, first=lambda: svc.receive(revoked))
        assert events[-1].name == "message.completed"


async def test_a_disabled_user_says_nothing_until_enabled_again(svc, client, chat, user_id):
    answer = await finished(client, await begin_answer(client, chat))
    await svc.receive(UserDisabled(user_id=user_id, reason="abuse"), sequence=1)
    refused = await say(client, chat, "hello")
    assert (refused.status_code, refused.json()["code"]) == (403, "account_disabled")
    assert (await client.post(f"/v1/chat/messages/{answer['id']}/regenerate")).status_code == 403
    await svc.receive(UserEnabled(user_id=user_id, reason="appeal"), sequence=2)
    assert (await say(client, chat, "hello")).status_code == 202


async def test_an_older_word_about_a_user_does_not_overrule_a_newer_one(svc, client, chat, user_id):
    """As when the events of a user are replayed."""
    await svc.receive(UserDisabled(user_id=user_id, reason="abuse"), sequence=2)
    assert (await say(client, chat, "hello")).status_code == 403
    await svc.receive(UserEnabled(user_id=user_id, reason="appeal"), sequence=1)
    assert (await say(client, chat, "hello")).status_code == 403
