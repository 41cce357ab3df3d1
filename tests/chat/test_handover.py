import asyncio
import json

import pytest

from services.chat import tasks
from shared.ids import new_id
from tests.support.chat import (
    CANCEL_QUESTION,
    TOKEN_HEADER,
    answer_to,
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


@pytest.fixture
def agent_id():
    return new_id()


@pytest.fixture
async def agent(svc, agent_id):
    async with svc.admin(agent_id, "support") as agent:
        yield agent


def path_of(chat, verb):
    return f"/v1/chat/sessions/{chat['id']}/{verb}"


async def test_a_person_is_asked_for_takes_over_replies_and_gives_back(svc, client, chat, agent, agent_id):
    waiting = await client.post(path_of(chat, "handoff"), json={"reason": "refund"})
    assert (waiting.status_code, waiting.json()["mode"]) == (200, "WAITING_HUMAN")
    assert (await agent.post(path_of(chat, "takeover"))).json()["mode"] == "HUMAN"
    said = await agent.post(path_of(chat, "reply"), json={"content": "Hello, this is Ada."})
    assert (said.status_code, said.json()["author"], said.json()["role"]) == (201, "person", "ASSISTANT")
    history = (await client.get(path_of(chat, "messages"))).json()["items"]
    assert [(message["seq"], message["content"]) for message in history] == [(1, "Hello, this is Ada.")]
    assert (await agent.post(path_of(chat, "release"))).json()["mode"] == "BOT"
    assert (await answer_to(client, chat, CANCEL_QUESTION))["author"] == "assistant"
    facts = [await svc.published(f"chat.handoff_{fact}") for fact in ("requested", "accepted", "released")]
    assert [len(fact) for fact in facts] == [1, 1, 1]
    assert facts[0][0]["data"]["reason"] == "refund"
    assert facts[1][0]["data"]["agent_id"] == facts[2][0]["data"]["agent_id"] == str(agent_id)


async def test_the_assistant_is_silent_while_a_person_is_asked_for_and_nobody_pays_for_it(svc, client, chat, user_id):
    await grant_messages(svc, user_id, 0)
    await client.post(path_of(chat, "handoff"))
    accepted = await say(client, chat, "are you there?", client_message_id="a")
    assert accepted.status_code == 202
    assert accepted.json()["assistant_message"] is None
    again = await say(client, chat, "are you there?", client_message_id="a")
    assert again.json() == accepted.json()
    assert [message["seq"] for message in (await client.get(path_of(chat, "messages"))).json()["items"]] == [1]
    assert await svc.rows("SELECT 1 FROM usage_counters") == []


async def test_a_stream_that_was_asked_for_says_that_no_answer_follows(client, chat):
    await client.post(path_of(chat, "handoff"))
    body, headers = {"client_message_id": "a", "content": "hello"}, {"Accept": "text/event-stream"}
    async with client.stream("POST", path_of(chat, "messages"), json=body, headers=headers) as response:
        events = [told async for told in events_of(response)]
    assert [told.name for told in events] == ["message.created"]
    assert events[0].data["assistant_message"] is None


async def test_a_takeover_ends_the_answer_that_is_being_written_and_its_readers_are_told():
    async with chat_service(word_seconds=0.02, coalesce_seconds=0.01, items=1) as svc, over_http(svc) as visitor:
        chat = await start(visitor)
        message_id = await begin_answer(visitor, chat)
        events = []
        async with svc.admin(new_id()) as agent:
            async for told in listen(visitor, f"/v1/chat/messages/{message_id}/stream"):
                events.append(told)
                if len(events) == 2:
                    assert (await agent.post(path_of(chat, "takeover"))).status_code == 200
        assert [told.name for told in events[-2:]] == ["handoff.accepted", "message.stopped"]
        assert events[-2].data == {"session_id": chat["id"], "mode": "HUMAN"}
        refused = await visitor.post(f"/v1/chat/messages/{message_id}/regenerate")
        assert (refused.status_code, refused.json()["code"]) == (409, "person_answers")


@pytest.mark.parametrize("turns", [40, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def test_after_a_takeover_the_assistant_adds_nothing_however_the_race_goes(turns):
    """R18: the takeover comes at any moment of the answer; what was there when it committed is all there ever is."""
    swift = {"word_seconds": 0.0005, "coalesce_seconds": 0.0005, "items": 1}
    async with chat_service(**swift) as svc, svc.client() as visitor:
        for turn in range(turns):
            chat = await start(visitor)
            message_id = await begin_answer(visitor, chat)
            async with svc.admin(new_id()) as agent:
                await asyncio.sleep(turn % 10 * 0.003)
                assert (await agent.post(path_of(chat, "takeover"))).status_code == 200
            [at_once] = await svc.rows(STATE, id=message_id)
            await finished(visitor, message_id)
            assert await svc.rows(STATE, id=message_id) == [at_once]


STATE = """
    SELECT status, content, (SELECT count(*) FROM chat_stream_chunks WHERE message_id = m.id) AS chunks
      FROM chat_messages m WHERE id = %(id)s
"""


async def test_only_staff_take_over_and_only_who_took_over_replies(svc, client, chat, agent):
    for verb, body in (("takeover", {}), ("reply", {"content": "x"}), ("release", {})):
        assert (await client.post(path_of(chat, verb), json=body)).status_code == 403
    early = await agent.post(path_of(chat, "reply"), json={"content": "x"})
    assert (early.status_code, early.json()["code"]) == (409, "not_taken_over")
    await agent.post(path_of(chat, "takeover"))
    async with svc.admin(new_id()) as other:
        for verb, body in (("reply", {"content": "x"}), ("release", {})):
            assert (await other.post(path_of(chat, verb), json=body)).json()["code"] == "not_taken_over"
        assert (await other.post(path_of(chat, "takeover"))).status_code == 200
    assert (await agent.post(path_of(chat, "reply"), json={"content": "x"})).status_code == 409
    assert (await agent.post(path_of({"id": new_id()}, "takeover"))).status_code == 404


async def test_an_agent_reads_what_they_have_taken_over_and_changes_nothing_else_in_it(client, chat, agent):
    await answer_to(client, chat, CANCEL_QUESTION)
    assert (await agent.get(path_of(chat, "messages"))).status_code == 404
    await agent.post(path_of(chat, "takeover"))
    assert len((await agent.get(path_of(chat, "messages"))).json()["items"]) == 2
    assert (await say(agent, chat, "in your name")).status_code == 404
    assert (await agent.delete(f"/v1/chat/sessions/{chat['id']}")).status_code == 404
    await agent.post(path_of(chat, "release"))
    assert (await agent.get(path_of(chat, "messages"))).status_code == 404


async def test_somebody_who_is_no_longer_of_the_staff_reads_nothing_more(svc, chat, agent, agent_id):
    await agent.post(path_of(chat, "takeover"))
    async with svc.client(agent_id) as former:
        assert (await former.get(path_of(chat, "messages"))).status_code == 404


async def test_replies_and_questions_at_once_leave_no_gap_in_the_order(client, chat, agent):
    await agent.post(path_of(chat, "takeover"))
    replies = [agent.post(path_of(chat, "reply"), json={"content": f"reply {number}"}) for number in range(15)]
    responses = await asyncio.gather(*replies, *[say(client, chat, f"question {number}") for number in range(15)])
    assert {response.status_code for response in responses} == {201, 202}
    items = (await client.get(path_of(chat, "messages"), params={"limit": 100})).json()["items"]
    assert [message["seq"] for message in items] == list(range(1, 31))


async def test_the_same_reply_twenty_times_at_once_is_one_message(client, chat, agent):
    await agent.post(path_of(chat, "takeover"))
    body = {"content": "Hello", "client_message_id": "once"}
    responses = await asyncio.gather(*[agent.post(path_of(chat, "reply"), json=body) for _ in range(20)])
    assert {response.status_code for response in responses} == {201}
    assert len({response.json()["id"] for response in responses}) == 1
    other = await agent.post(path_of(chat, "reply"), json={**body, "content": "Bye"})
    assert (other.status_code, other.json()["code"]) == (409, "client_message_id_reused")


async def test_a_conversation_without_a_word_for_a_day_returns_to_the_assistant(svc, client, chat, agent):
    await agent.post(path_of(chat, "takeover"))
    svc.clock.advance(23 * 3600)
    await say(client, chat, "still waiting")
    svc.clock.advance(23 * 3600)
    assert await tasks.give_back_silent_handovers(svc.runtime) == 0
    svc.clock.advance(2 * 3600)
    assert await tasks.give_back_silent_handovers(svc.runtime) == 1
    assert (await client.get(f"/v1/chat/sessions/{chat['id']}")).json()["mode"] == "BOT"
    assert (await svc.published("chat.handoff_released"))[0]["data"]["agent_id"] is None


async def test_an_ended_conversation_is_not_handed_over(client, chat, agent):
    await client.post(path_of(chat, "end"))
    assert (await client.post(path_of(chat, "handoff"))).status_code == 410
    assert (await agent.post(path_of(chat, "takeover"))).status_code == 410


async def test_staff_find_who_waits_longest_first_and_see_nothing_that_was_said(svc, client, visitor, agent):
    waiting = []
    for speaker in (client, visitor):
        waiting.append(await start(speaker))
        await speaker.post(path_of(waiting[-1], "handoff"))
        svc.clock.advance(60)
    await start(client)
    path = "/v1/admin/chat/sessions"
    first = (await agent.get(path, params={"mode": "WAITING_HUMAN", "limit": 1})).json()
    rest = await agent.get(path, params={"mode": "WAITING_HUMAN", "limit": 1, "cursor": first["next_cursor"]})
    assert [first["items"][0]["id"], rest.json()["items"][0]["id"]] == [chat["id"] for chat in waiting]
    assert len((await agent.get(path)).json()["items"]) == 3
    assert (await client.get(path)).status_code == 403
    assert (await visitor.get(path)).status_code == 401
    assert visitor.headers[TOKEN_HEADER] not in (await agent.get(path)).text
    assert (await agent.get(path, params={"mode": "NOBODY"})).status_code == 422


@pytest.mark.parametrize("body", [b"{", b'{"reason": "Two words"}', b'{"reason": 1}', b'{"why": "x"}', b"[]"])
async def test_a_malformed_request_for_a_person_is_refused_clearly(client, chat, body):
    headers = {"Content-Type": "application/json"}
    response = await client.post(path_of(chat, "handoff"), content=body, headers=headers)
    assert response.status_code in {400, 422}


@pytest.mark.parametrize("content", ["", "   ", "\0", "x" * 4001])
async def test_a_malformed_reply_is_refused_clearly(chat, agent, content):
    await agent.post(path_of(chat, "takeover"))
    body = json.dumps({"content": content})
    response = await agent.post(path_of(chat, "reply"), content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
