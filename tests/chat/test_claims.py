import asyncio

from shared.ids import new_id
from tests.support.chat import TOKEN_HEADER, answer_to, begin_answer, chat_service, finished, say, start


async def test_a_visitors_token_is_shown_once_and_only_its_hash_is_kept(svc, visitor):
    response = await visitor.post("/v1/chat/sessions", json={})
    token, chat = response.json()["session_token"], response.json()["session"]
    assert len(token) >= 43
    assert "httponly" in response.headers["Set-Cookie"].lower()
    assert (await visitor.get("/v1/chat/sessions/current")).json()["id"] == chat["id"]
    visitor.cookies.clear()
    found = await visitor.get("/v1/chat/sessions/current", headers={TOKEN_HEADER: token})
    assert found.json()["id"] == chat["id"]
    assert token not in found.text
    stored = await svc.rows("SELECT session_token FROM chat_sessions")
    assert token.encode() not in stored[0]["session_token"]


async def test_a_claimed_conversation_comes_along_and_its_token_is_dead(svc, visitor, client, user_id):
    chat = await start(visitor)
    await answer_to(visitor, chat, "Can I get a refund?")
    token = visitor.headers[TOKEN_HEADER]
    claimed = await client.post("/v1/chat/sessions/claim", json={"session_token": token})
    assert claimed.json()["session"]["user_id"] == str(user_id)
    assert len((await client.get(f"/v1/chat/sessions/{chat['id']}/messages")).json()["items"]) == 2
    assert (await visitor.get("/v1/chat/sessions/current")).status_code == 404
    assert (await say(visitor, chat, "still me?")).status_code == 404
    again = await client.post("/v1/chat/sessions/claim", json={"session_token": token})
    assert (again.status_code, again.json()["session"]["id"]) == (200, chat["id"])
    async with svc.client(new_id()) as other:
        refused = await other.post("/v1/chat/sessions/claim", json={"session_token": token})
        assert refused.status_code == 404
    assert len(await svc.published("chat.session_claimed")) == 1


async def test_of_twenty_claims_at_once_one_user_wins(svc, visitor):
    await start(visitor)
    body = {"session_token": visitor.headers[TOKEN_HEADER]}
    clients = [svc.client(user) for user in (new_id(), new_id()) for _ in range(10)]
    answers = await asyncio.gather(*[client.post("/v1/chat/sessions/claim", json=body) for client in clients])
    winners = {answer.json()["session"]["user_id"] for answer in answers if answer.status_code == 200}
    assert len(winners) == 1
    assert {answer.status_code for answer in answers} == {200, 404}
    assert sum(answer.status_code == 200 for answer in answers) == 10
    for client in clients:
        await client.aclose()


async def test_an_unknown_token_claims_nothing(client):
    for token in ("nothing", "x" * 200):
        answer = await client.post("/v1/chat/sessions/claim", json={"session_token": token})
        assert answer.status_code == 404
    assert (await client.post("/v1/chat/sessions/claim", json={"session_token": ""})).status_code == 422


async def test_questions_that_come_in_during_the_claim_are_all_there_in_order_or_refused(svc, visitor, client, user_id):
    """Whoever asks with the token is the visitor until the claim commits, and nobody afterwards."""
    chat = await start(visitor)
    body = {"session_token": visitor.headers[TOKEN_HEADER]}
    asked = [say(visitor, chat, f"refund {number}?", on_busy="interrupt") for number in range(20)]
    *said, claimed = await asyncio.gather(*asked, client.post("/v1/chat/sessions/claim", json=body))
    assert claimed.status_code == 200
    accepted = [answer for answer in said if answer.status_code == 202]
    assert {answer.status_code for answer in said} <= {202, 404}
    items = (await client.get(f"/v1/chat/sessions/{chat['id']}/messages", params={"limit": 100})).json()["items"]
    assert [message["seq"] for message in items] == list(range(1, 2 * len(accepted) + 1))
    assert await svc.rows("SELECT 1 FROM usage_counters") == []


async def test_an_answer_begun_before_the_claim_is_finished_after_it_and_costs_the_new_owner_nothing(user_id):
    async with chat_service(items=1, word_seconds=0.02) as svc, svc.client() as visitor, svc.client(user_id) as client:
        message_id = await begin_answer(visitor, await start(visitor))
        body = {"session_token": visitor.headers[TOKEN_HEADER]}
        assert (await client.post("/v1/chat/sessions/claim", json=body)).status_code == 200
        assert (await finished(client, message_id))["status"] == "COMPLETE"
        assert await svc.published("usage.recorded") == []
