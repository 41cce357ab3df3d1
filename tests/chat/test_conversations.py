import asyncio

import pytest

from services.chat.app import service
from shared.ids import new_id
from shared.migrations import differences
from tests.support.chat import CANCEL_QUESTION, TOKEN_HEADER, answer_to, finished, item, item_id_of, say, start
from tests.support.full_disks import no_room_for


async def test_the_tables_are_what_the_models_say(svc):
    assert differences(service, svc.runtime.database.url) == []


async def test_a_conversation_that_finds_the_disk_full_asks_to_come_back(svc, client):
    async with no_room_for(svc.runtime.database, "chat_sessions"):
        refused = await client.post("/v1/chat/sessions", json={})
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert (await client.post("/v1/chat/sessions", json={})).status_code == 201


async def test_a_question_is_answered_from_the_faq_with_its_source(client, chat):
    answer = await answer_to(client, chat, "please end my subscription before it renews")
    assert answer["status"] == "COMPLETE"
    assert "Cancel" in answer["content"]
    assert answer["citations"][0]["item_id"] == str(item_id_of(CANCEL_QUESTION))
    assert answer["citations"][0]["question"] == CANCEL_QUESTION


async def test_the_assistant_says_when_it_does_not_know_and_staff_see_the_question(svc, client, chat):
    answer = await answer_to(client, chat, "What is the capital of Mongolia?")
    assert answer["citations"] == []
    assert "don't know" in answer["content"]
    async with svc.admin(new_id()) as admin:
        listed = (await admin.get("/v1/admin/chat/unanswered")).json()
    assert [row["question"] for row in listed["items"]] == ["What is the capital of Mongolia?"]


async def test_unanswered_questions_are_for_staff_only(client):
    assert (await client.get("/v1/admin/chat/unanswered")).status_code == 403


async def test_an_unpublished_item_is_not_used_and_an_older_event_does_not_bring_it_back(svc, client, chat):
    await svc.receive(item("Do you sell flamingos?", "Pink ones, on Fridays."), sequence=1)
    assert (await answer_to(client, chat, "do you sell flamingos"))["content"] == "Pink ones, on Fridays."
    gone = item("Do you sell flamingos?", "Pink ones, on Fridays.", version=3, published=False)
    await svc.receive(gone, sequence=3)
    await svc.receive(item("Do you sell flamingos?", "Blue ones.", version=2), sequence=2)
    assert "ones" not in (await answer_to(client, chat, "do you sell flamingos"))["content"]


async def test_history_pages_both_ways_by_seq_without_gaps(client, chat):
    for number in range(4):
        await answer_to(client, chat, f"Can I get refund number {number}?")
    path = f"/v1/chat/sessions/{chat['id']}/messages"
    newest = (await client.get(path, params={"limit": 3})).json()
    assert [message["seq"] for message in newest["items"]] == [6, 7, 8]
    older = (await client.get(path, params={"limit": 3, "before": newest["next_cursor"]})).json()
    assert [message["seq"] for message in older["items"]] == [3, 4, 5]
    forward = (await client.get(path, params={"limit": 5, "after": 2})).json()
    assert [message["seq"] for message in forward["items"]] == [3, 4, 5, 6, 7]
    assert forward["next_cursor"] == "7"


async def test_the_same_client_message_id_finds_the_same_pair(client, chat):
    first = (await say(client, chat, "refund?", client_message_id="a")).json()
    again = (await say(client, chat, "refund?", client_message_id="a")).json()
    assert first["user_message"]["id"] == again["user_message"]["id"]
    assert first["assistant_message"]["id"] == again["assistant_message"]["id"]
    other = await say(client, chat, "something else", client_message_id="a")
    assert (other.status_code, other.json()["code"]) == (409, "client_message_id_reused")


async def test_context_is_merged_and_an_edit_of_something_older_is_refused(client):
    chat = await start(client, context={"page": "/pricing", "cart": {"plan": "viral", "seats": 2}})
    path = f"/v1/chat/sessions/{chat['id']}"
    tag = (await client.get(path)).headers["ETag"]
    patch = {"context": {"page": None, "cart": {"seats": 3}}, "title": "Prices"}
    edited = await client.patch(path, json=patch, headers={"If-Match": tag})
    assert edited.json()["context"] == {"cart": {"plan": "viral", "seats": 3}}
    assert edited.json()["title"] == "Prices"
    assert (await client.patch(path, json=patch, headers={"If-Match": tag})).status_code == 412


async def test_a_context_may_not_grow_beyond_its_limit_by_patches(client, chat):
    path = f"/v1/chat/sessions/{chat['id']}"
    assert (await client.patch(path, json={"context": {"a": "x" * 10_000}})).status_code == 200
    assert (await client.patch(path, json={"context": {"b": "x" * 10_000}})).status_code == 422


async def test_an_ended_conversation_stays_readable_and_takes_no_more_questions(svc, client, chat):
    await answer_to(client, chat, "refund?")
    ended = (await client.post(f"/v1/chat/sessions/{chat['id']}/end")).json()
    assert not ended["is_active"]
    assert ended["ended_at"]
    refused = await say(client, chat, "one more")
    assert (refused.status_code, refused.json()["code"]) == (410, "session_ended")
    assert len((await client.get(f"/v1/chat/sessions/{chat['id']}/messages")).json()["items"]) == 2
    assert (await svc.published("chat.session_ended"))[0]["data"]["message_count"] == 2


async def test_deleting_erases_every_word_and_keeps_the_use(svc, client, chat):
    await answer_to(client, chat, "What is the capital of Mongolia?")
    assert (await client.delete(f"/v1/chat/sessions/{chat['id']}")).status_code == 204
    assert (await client.get(f"/v1/chat/sessions/{chat['id']}")).status_code == 404
    for table in ("chat_sessions", "chat_messages", "chat_stream_chunks", "unanswered_questions"):
        assert await svc.rows(f"SELECT 1 FROM {table}") == []
    assert [row["used"] for row in await svc.rows("SELECT used FROM usage_counters")] == [1]


async def test_conversations_are_listed_and_searched_by_what_was_said(client):
    first, second = await start(client), await start(client)
    await answer_to(client, first, "Tell me about refunds, 100% please")
    await answer_to(client, second, "which tools are there")
    found = (await client.get("/v1/chat/sessions", params={"q": "100%"})).json()
    assert [chat["id"] for chat in found["items"]] == [first["id"]]
    page = (await client.get("/v1/chat/sessions", params={"limit": 1})).json()
    rest = (await client.get("/v1/chat/sessions", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert {page["items"][0]["id"], rest["items"][0]["id"]} == {first["id"], second["id"]}


async def test_feedback_replaces_what_was_said_before(svc, client, chat):
    answer = await answer_to(client, chat, "refund?")
    path = f"/v1/chat/messages/{answer['id']}/feedback"
    await client.post(path, json={"rating": "up"})
    judged = await client.post(path, json={"rating": "down", "reason": "wrong", "comment": "Not what I asked."})
    assert judged.json()["feedback"] == {"rating": "down", "reason": "wrong", "comment": "Not what I asked."}
    assert [event["data"]["rating"] for event in await svc.published("chat.feedback_given")] == ["up", "down"]


async def test_nobody_sees_anothers_conversation(svc, client, chat, visitor):
    answer = await answer_to(client, chat, "refund?")
    await start(visitor)
    async with svc.client(new_id()) as stranger:
        for reader in (stranger, visitor):
            assert (await reader.get(f"/v1/chat/sessions/{chat['id']}")).status_code == 404
            assert (await reader.get(f"/v1/chat/messages/{answer['id']}/stream")).status_code == 404
            assert (await say(reader, chat, "hello")).status_code == 404
            assert (
                await reader.post(f"/v1/chat/messages/{answer['id']}/feedback", json={"rating": "up"})
            ).status_code == 404


async def test_without_a_credential_there_is_no_conversation(visitor, chat):
    assert (await visitor.get(f"/v1/chat/sessions/{chat['id']}")).status_code == 401
    assert (await visitor.get("/v1/chat/sessions/current")).status_code == 401


async def test_an_api_key_needs_the_scope(svc, user_id, chat):
    async with svc.client(user_id, scopes=["chat:read"]) as key:
        assert (await key.get(f"/v1/chat/sessions/{chat['id']}")).status_code == 200
        assert (await say(key, chat, "hello")).status_code == 403


async def test_fifty_posts_at_once_give_one_answer_at_a_time_and_an_unbroken_order(client, chat):
    responses = await asyncio.gather(*[say(client, chat, f"refund {number}?") for number in range(50)])
    statuses = {response.status_code for response in responses}
    assert statuses <= {202, 409}
    assert 202 in statuses
    asked = [response for response in responses if response.status_code == 202]
    items = (await client.get(f"/v1/chat/sessions/{chat['id']}/messages", params={"limit": 100})).json()["items"]
    assert [message["seq"] for message in items] == list(range(1, 2 * len(asked) + 1))
    assert [message["role"] for message in items] == ["USER", "ASSISTANT"] * len(asked)


async def test_thirty_interruptions_at_once_leave_one_answer_being_written_and_no_gap(svc, client, chat):
    asked = [say(client, chat, f"refund {number}?", on_busy="interrupt") for number in range(30)]
    assert {response.status_code for response in await asyncio.gather(*asked)} == {202}
    items = (await client.get(f"/v1/chat/sessions/{chat['id']}/messages", params={"limit": 100})).json()["items"]
    assert [message["seq"] for message in items] == list(range(1, 61))
    await finished(client, items[-1]["id"])
    answers = await svc.rows("SELECT status FROM chat_messages WHERE role = 'ASSISTANT' ORDER BY seq")
    ends = [answer["status"] for answer in answers]
    assert ends[-1] == "COMPLETE"
    assert set(ends) <= {"COMPLETE", "STOPPED"}
    assert await svc.rows("SELECT used, reserved FROM usage_counters") == [{"used": 30, "reserved": 0}]


async def test_the_same_message_fifty_times_at_once_is_one_message(client, chat):
    responses = await asyncio.gather(*[say(client, chat, "refund?", client_message_id="once") for _ in range(50)])
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["assistant_message"]["id"] for response in responses}) == 1


BAD_BODIES = [
    b"{", b"\xff\xfe", b"[]", b"null", b"1", b'{"client_message_id": 1, "content": "x"}',
    b'{"client_message_id": "a", "content": "   "}', b'{"client_message_id": "a", "content": "\\u0000"}',
    b'{"client_message_id": "a\\u0000", "content": "x"}', b'{"client_message_id": "a", "content": "\\ud800"}',
    b'{"client_message_id": "", "content": "x"}', b'{"client_message_id": "a", "content": "x", "on_busy": "shout"}',
    b'{"client_message_id": "a", "content": "' + b"x" * 4001 + b'"}', b'{"content": "x"}',
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES)
async def test_a_malformed_message_is_refused_clearly(client, chat, body):
    headers = {"Content-Type": "application/json"}
    response = await client.post(f"/v1/chat/sessions/{chat['id']}/messages", content=body, headers=headers)
    assert response.status_code in {400, 422}
    assert response.headers["Content-Type"] == "application/problem+json"


BAD_CONTEXTS = [
    b'{"context": {"a": "\\u0000"}}', b'{"context": {"a": "\\ud800"}}', b'{"context": {"\\ud800": 1}}',
    b'{"context": {"a": NaN}}', b'{"context": {"a": 1e999}}', b'{"context": []}', b'{"locale": "\\u0000"}',
    b'{"context": {"a": "' + b"x" * 17_000 + b'"}}', b'{"context": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_CONTEXTS)
async def test_a_malformed_context_is_refused_clearly(client, chat, body):
    headers = {"Content-Type": "application/json"}
    for call in (client.post("/v1/chat/sessions", content=body, headers=headers),
                 client.patch(f"/v1/chat/sessions/{chat['id']}", content=body, headers=headers)):  # fmt: skip
        response = await call
        assert response.status_code in {400, 413, 422}, response.text


@pytest.mark.parametrize(
    "query", ["q=%00", "q=", "cursor=x", "cursor=%ff", "limit=0", "limit=x", "cursor=" + "a" * 100]
)
async def test_a_malformed_list_is_refused_clearly(client, query):
    assert (await client.get(f"/v1/chat/sessions?{query}")).status_code in {400, 422}


@pytest.mark.parametrize("token", ["x", "é" * 10, "a" * 5000, "\x7f"])
async def test_a_token_that_is_none_opens_nothing(svc, token):
    async with svc.client() as stranger:
        headers = {TOKEN_HEADER: token.encode()}
        assert (await stranger.get("/v1/chat/sessions/current", headers=headers)).status_code in {401, 404}
