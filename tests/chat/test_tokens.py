"""A visitor's token opens a conversation: it must be nowhere but with the visitor."""

import pytest

from shared.logging import configure_logging
from tests.support.chat import CANCEL_QUESTION, TOKEN_HEADER, answer_to, begin_answer, chat_service, say, start

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


@pytest.fixture
def logged(capfd):
    """What the service logs from here on, at its most talkative."""
    configure_logging(level="DEBUG")
    yield lambda: "".join(capfd.readouterr())
    configure_logging(level="CRITICAL")


async def test_a_token_is_in_no_table_no_event_and_no_log_line(logged, user_id):
    async with chat_service(word_seconds=0) as svc, svc.client() as visitor, svc.client(user_id) as client:
        chat = await start(visitor)
        token = visitor.headers[TOKEN_HEADER]
        await answer_to(visitor, chat, CANCEL_QUESTION)
        await visitor.get("/v1/chat/sessions/current")
        await visitor.get(f"/v1/chat/messages/{chat['id']}/stream")
        visitor.cookies.set("chat_session", token)
        await say(visitor, chat, "x" * 5000)
        await client.post("/v1/chat/sessions/claim", json={"session_token": token, "and": "more"})
        await client.post("/v1/chat/sessions/claim", json={"session_token": token})
        await visitor.get("/v1/chat/sessions/current")
        lines = logged()
        assert chat["id"] in str(await svc.rows("SELECT id FROM chat_sessions"))
        assert "/v1/chat/sessions/claim" in lines
        assert token not in lines
        for row in await svc.rows(TABLES):
            assert (
                await svc.rows(f"SELECT 1 FROM {row['tablename']} t WHERE strpos(t::text, %(it)s) > 0", it=token) == []
            )


async def test_a_refusal_does_not_repeat_the_token(visitor, client):
    await start(visitor)
    token = visitor.headers[TOKEN_HEADER]
    for refused in (await client.post("/v1/chat/sessions/claim", json={"session_token": token, "and": "more"}),
                    await visitor.get("/v1/chat/sessions", headers={TOKEN_HEADER: token})):  # fmt: skip
        assert refused.status_code in {401, 422}
        assert token not in refused.text


async def test_one_visitor_s_token_opens_no_other_visitor_s_conversation(svc, visitor):
    mine = await start(visitor)
    message_id = await begin_answer(visitor, mine)
    async with svc.client() as other:
        await start(other)
        paths = [f"/v1/chat/sessions/{mine['id']}", f"/v1/chat/sessions/{mine['id']}/messages",
                 f"/v1/chat/messages/{message_id}", f"/v1/chat/messages/{message_id}/stream"]  # fmt: skip
        assert {(await other.get(path)).status_code for path in paths} == {404}
        verbs = ("end", "handoff")
        assert {(await other.post(f"{paths[0]}/{verb}")).status_code for verb in verbs} == {404}
        assert (await other.post(f"{paths[2]}/stop")).status_code == 404
        assert (await other.delete(paths[0])).status_code == 404
