import asyncio
import json

from shared.ids import new_id
from tests.support.chat import CANCEL_QUESTION, answer_to, begin_answer, chat_service, say, start


async def lines_of(client):
    response = await client.get("/v1/chat/export")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in response.text.splitlines()]


async def test_the_export_holds_every_conversation_with_every_message_in_order(client):
    chats = [await start(client, context={"page": "/é"}) for _ in range(2)]
    for chat in chats:
        await answer_to(client, chat, f"{CANCEL_QUESTION}\nsecond line ✓")
    lines = await lines_of(client)
    assert [next(iter(line)) for line in lines] == ["session", "message", "message"] * 2
    assert [line["session"]["id"] for line in lines if "session" in line] == [chat["id"] for chat in chats]
    assert lines[1]["message"]["content"] == f"{CANCEL_QUESTION}\nsecond line ✓"
    assert lines[2]["message"]["citations"]


async def test_a_long_conversation_is_exported_whole(svc, client, chat):
    await svc.rows(
        """INSERT INTO chat_messages (id, chat_session_id, seq, role, content, status, created_at)
           SELECT gen_random_uuid(), %(id)s, n, 'USER', n::text, 'COMPLETE', now() FROM generate_series(1, 450) n
           RETURNING id""",
        id=chat["id"],
    )
    said = [line["message"]["seq"] for line in await lines_of(client) if "message" in line]
    assert said == list(range(1, 451))


async def test_nobody_exports_what_is_anothers(svc, client, chat, visitor):
    await start(visitor)
    await answer_to(client, chat, CANCEL_QUESTION)
    async with svc.client(new_id()) as stranger:
        assert await lines_of(stranger) == []
    assert (await visitor.get("/v1/chat/export")).status_code == 401


async def test_deleting_everything_leaves_no_word_and_stops_what_is_being_written(user_id):
    async with chat_service(items=1, word_seconds=0.05) as svc, svc.client(user_id) as client, svc.client() as visitor:
        kept = await start(visitor)
        for _ in range(3):
            await begin_answer(client, await start(client))
        assert (await client.delete("/v1/chat/sessions")).status_code == 204
        assert [str(row["id"]) for row in await svc.rows("SELECT id FROM chat_sessions")] == [kept["id"]]
        assert await svc.rows("SELECT 1 FROM chat_messages") == []
        assert await svc.rows("SELECT used, reserved FROM usage_counters") == [{"used": 3, "reserved": 0}]
        assert len(await svc.published("usage.recorded")) == 3
        assert (await client.delete("/v1/chat/sessions")).status_code == 204


async def test_deleting_everything_while_questions_come_in_ends_without_an_error(client):
    chats = [await start(client) for _ in range(5)]
    asked = [say(client, chat, "refund?") for chat in chats for _ in range(3)]
    responses = await asyncio.gather(*asked, client.delete("/v1/chat/sessions"))
    assert {response.status_code for response in responses} <= {202, 204, 404, 409}
    assert (await client.get("/v1/chat/sessions")).json()["items"] == []


async def test_an_api_key_needs_the_scope_for_each(svc, user_id):
    async with svc.client(user_id, scopes=["chat:read"]) as key:
        assert (await key.get("/v1/chat/export")).status_code == 200
        assert (await key.delete("/v1/chat/sessions")).status_code == 403
    async with svc.client(user_id, scopes=["chat:write"]) as key:
        assert (await key.get("/v1/chat/export")).status_code == 403
