import asyncio
import json
import random

from tests.support.chat import (
    CANCEL_QUESTION,
    Told,
    begin_answer,
    chat_service,
    events_of,
    finished,
    grant_messages,
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


async def test_readers_cut_off_at_random_bytes_miss_and_repeat_nothing(user_id):
    """R13: two hundred cuts, each at a random byte, also within an event; resumed by Last-Event-ID."""
    swift = {"word_seconds": 0.01, "coalesce_seconds": 0.005, "items": 1}
    async with chat_service(**swift) as svc, over_http(svc, user_id) as client:
        await grant_messages(svc, user_id, 1000)
        chats = [await start(client) for _ in range(CUT_READERS)]
        cuts = await asyncio.gather(
            *[read_in_pieces(client, chat, random.Random(seed)) for seed, chat in enumerate(chats)]
        )
    assert sum(cuts) >= 200


CUT_READERS, CUTS_EACH = 10, 20


async def read_in_pieces(client, chat, choose):
    """Follow answers, cutting the connection again and again. Returns how often it was cut."""
    cuts = 0
    while cuts < CUTS_EACH:
        message_id = await begin_answer(client, chat)
        text, position, end = "", f"{message_id}:0", None
        while end is None:
            patience = choose.choice([choose.randint(50, 600), choose.randint(600, 6000)])
            async for told in first_bytes(client, f"/v1/chat/messages/{message_id}/stream", position, patience):
                position = told.id or position
                text += told.data.get("text", "")
                end = told if told.name in ENDS else None
            cuts += end is None
        assert text == end.data["message"]["content"] != ""
    return cuts


async def first_bytes(client, path, position, most):
    """The events that are complete in the first `most` bytes; the rest is lost with the connection."""
    received = b""
    async with client.stream("GET", path, headers={"Last-Event-ID": position}) as response:
        assert response.status_code == 200
        async for piece in response.aiter_raw():
            received += piece
            if len(received) >= most:
                break
    *whole, _ = received[:most].split(b"\n\n")
    for block in whole:
        fields = dict(line.split(": ", 1) for line in block.decode().splitlines() if not line.startswith(":"))
        if "event" in fields:
            yield Told(fields.get("id"), fields["event"], json.loads(fields["data"]))


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
