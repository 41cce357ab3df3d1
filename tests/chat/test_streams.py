import asyncio
import random
from contextlib import AsyncExitStack

from shared.contracts.accounts import SessionRevoked
from tests.support.chat import (
    CANCEL_QUESTION,
    begin_answer,
    chat_service,
    events_of,
    finished,
    listen,
    over_http,
    say,
    start,
)

ENDS = {"message.completed", "message.stopped", "message.failed"}
SLOW = {"word_seconds": 0.02, "coalesce_seconds": 0.01, "items": 1}


def text_of(events):
    return "".join(told.data["text"] for told in events if told.name == "message.delta")


async def test_an_answer_streams_to_who_asked_when_asked_for(svc, client, chat):
    body = {"client_message_id": "a", "content": CANCEL_QUESTION}
    path, headers = f"/v1/chat/sessions/{chat['id']}/messages", {"Accept": "text/event-stream"}
    async with client.stream("POST", path, json=body, headers=headers) as response:
        events = [told async for told in events_of(response)]
    assert events[0].name == "message.created"
    assert events[0].data["assistant_message"]["status"] == "STREAMING"
    assert [told.name for told in events if told.name in ENDS] == ["message.completed"]
    assert text_of(events) == events[-1].data["message"]["content"]
    assert "message.citation" in {told.name for told in events}


async def test_a_reader_cut_off_at_random_points_misses_and_repeats_nothing():
    """R13: over fifty cuts, each at a random number of deltas, resumed by Last-Event-ID."""
    choose, cuts = random.Random(13), 0
    async with chat_service(**SLOW) as svc, over_http(svc) as visitor:
        while cuts < 50:
            message_id = await begin_answer(visitor, await start(visitor))
            text, position, end = "", f"{message_id}:0", None
            while end is None:
                patience = choose.randint(1, 4)
                async for told in listen(
                    visitor, f"/v1/chat/messages/{message_id}/stream", **{"Last-Event-ID": position}
                ):
                    position = told.id or position
                    text += told.data.get("text", "")
                    end = told if told.name in ENDS else None
                    patience -= 1
                    if end or not patience:
                        break
                cuts += end is None
            assert text == end.data["message"]["content"]


async def test_a_finished_answer_is_told_by_its_end_alone_and_then_by_nothing(client, chat):
    message_id = await begin_answer(client, chat)
    await finished(client, message_id)
    path = f"/v1/chat/messages/{message_id}/stream"
    events = [told async for told in listen(client, path)]
    assert [told.name for told in events if told.name != "message.citation"] == ["message.completed"]
    told_all = await client.get(path, headers={"Last-Event-ID": events[-1].id})
    assert told_all.status_code == 204


async def test_nobody_listening_stops_nothing(client, chat):
    message_id = await begin_answer(client, chat)
    async with client.stream("GET", f"/v1/chat/messages/{message_id}/stream"):
        pass
    assert (await finished(client, message_id))["status"] == "COMPLETE"


async def test_stopping_keeps_the_part_that_readers_saw():
    async with chat_service(**SLOW) as svc, over_http(svc) as visitor:
        message_id = await begin_answer(visitor, await start(visitor))
        events = []
        async for told in listen(visitor, f"/v1/chat/messages/{message_id}/stream"):
            events.append(told)
            if len(events) == 3:
                stopped = await visitor.post(f"/v1/chat/messages/{message_id}/stop")
                assert stopped.json()["status"] == "STOPPED"
        assert events[-1].name == "message.stopped"
        assert text_of(events) == events[-1].data["message"]["content"] != ""
        again = await visitor.post(f"/v1/chat/messages/{message_id}/stop")
        assert again.json()["content"] == text_of(events)


async def test_a_busy_assistant_refuses_or_is_interrupted():
    async with chat_service(**SLOW) as svc, over_http(svc) as visitor:
        chat = await start(visitor)
        first = await begin_answer(visitor, chat)
        refused = await say(visitor, chat, "and another thing")
        assert (refused.status_code, refused.json()["code"]) == (409, "busy")
        assert (await say(visitor, chat, "and another thing", on_busy="interrupt")).status_code == 202
        message = (await visitor.get(f"/v1/chat/messages/{first}")).json()
        assert (message["status"], message["finish_reason"]) == ("STOPPED", "interrupted")


async def test_regenerating_adds_an_answer_to_the_same_question(client, chat):
    first = await finished(client, await begin_answer(client, chat))
    again = await client.post(f"/v1/chat/messages/{first['id']}/regenerate")
    assert again.status_code == 202
    second = await finished(client, again.json()["assistant_message"]["id"])
    assert (second["reply_to"], second["seq"]) == (first["reply_to"], 3)
    assert second["content"] == first["content"]


async def test_an_open_stream_ends_when_its_login_is_revoked(user_id):
    async with chat_service(**{**SLOW, "word_seconds": 0.5}) as svc, over_http(svc, user_id) as client:
        message_id = await begin_answer(client, await start(client))
        events = []
        async with asyncio.timeout(10):
            async for told in listen(client, f"/v1/chat/messages/{message_id}/stream"):
                events.append(told)
                if len(events) == 1:
                    await svc.receive(SessionRevoked(user_id=user_id, all=True))
        assert not ENDS & {told.name for told in events}


async def test_readers_that_do_not_read_do_not_slow_the_author():
    async with chat_service(**SLOW) as svc, over_http(svc) as visitor:
        message_id = await begin_answer(visitor, await start(visitor))
        path = f"/v1/chat/messages/{message_id}/stream"
        async with AsyncExitStack() as idle:
            for _ in range(30):
                await idle.enter_async_context(visitor.stream("GET", path))
            async with asyncio.timeout(20):
                assert (await finished(visitor, message_id))["status"] == "COMPLETE"
