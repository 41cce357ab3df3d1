import asyncio
from datetime import datetime, timedelta

from shared.ids import new_id
from tests.support.chat import answer_to, begin_answer, chat_service, finished, grant_messages, say, start


async def test_parallel_questions_use_exactly_what_the_plan_has(svc, client, user_id):
    """Two hundred at a limit of fifty, each in a conversation of its own."""
    await grant_messages(svc, user_id, 50)
    chats = [await start(client) for _ in range(200)]
    responses = await asyncio.gather(*[say(client, chat, "Can I get a refund?") for chat in chats])
    accepted = [response for response in responses if response.status_code == 202]
    assert len(accepted) == 50
    refused = next(response for response in responses if response.status_code == 429).json()
    assert (refused["code"], refused["metric"]) == ("quota_exceeded", "chat_messages")
    assert refused["resets_at"]
    for response in accepted:
        await finished(client, response.json()["assistant_message"]["id"])
    assert await svc.rows("SELECT used, reserved FROM usage_counters") == [{"used": 50, "reserved": 0}]
    assert len(await svc.published("usage.recorded")) == 50


async def test_an_unknown_user_has_the_free_plan(svc, client, chat):
    await answer_to(client, chat, "Can I get a refund?")
    assert [row["lim"] for row in await svc.rows("SELECT lim FROM usage_counters")] == [50]
    recorded = (await svc.published("usage.recorded"))[0]["data"]
    assert (recorded["metric"], recorded["quantity"]) == ("chat_messages", 1)
    assert recorded["period_start"] < recorded["period_end"]


async def test_a_newer_plan_counts_at_once_and_an_older_one_not_at_all(svc, client, chat, user_id):
    await grant_messages(svc, user_id, 0, version=2)
    assert (await say(client, chat, "Can I get a refund?")).status_code == 429
    await grant_messages(svc, user_id, 10, version=1)
    assert (await say(client, chat, "Can I get a refund?")).status_code == 429
    await grant_messages(svc, user_id, 10, version=3)
    assert (await say(client, chat, "Can I get a refund?")).status_code == 202


async def test_deleting_conversations_gives_no_messages_back(svc, client, user_id):
    await grant_messages(svc, user_id, 1)
    chat = await start(client)
    await answer_to(client, chat, "Can I get a refund?")
    await client.delete(f"/v1/chat/sessions/{chat['id']}")
    assert (await say(client, await start(client), "And now?")).status_code == 429


async def test_grants_add_to_the_plan_until_they_run_out(svc, client, user_id):
    ends = svc.clock.now() + timedelta(hours=1)
    grant = {"grant_id": new_id(), "metric": "chat_messages", "amount": 2, "expires_at": ends}
    other = {**grant, "grant_id": new_id(), "metric": "images", "amount": 100}
    await grant_messages(svc, user_id, 1, grants=[grant, other])
    for _ in range(3):
        assert (await say(client, await start(client), "hello")).status_code == 202
    assert (await say(client, await start(client), "hello")).status_code == 429
    await grant_messages(svc, user_id, 1, grants=[{**grant, "amount": 50}], version=2)
    svc.clock.advance(3601)
    assert (await say(client, await start(client), "hello")).status_code == 429


async def test_a_new_period_begins_with_the_whole_quota(svc, client, user_id):
    await grant_messages(svc, user_id, 1)
    assert (await say(client, await start(client), "hello")).status_code == 202
    refused = await say(client, await start(client), "hello")
    svc.clock.advance((datetime.fromisoformat(refused.json()["resets_at"]) - svc.clock.now()).total_seconds())
    async with svc.client(user_id) as later:
        assert (await say(later, await start(later), "hello")).status_code == 202


async def test_a_visitor_has_so_many_messages_an_hour():
    async with chat_service(items=1, visitor_messages_per_hour=3) as svc, svc.client() as visitor:
        chat = await start(visitor)
        for number in range(3):
            assert (await say(visitor, chat, f"hello {number}", on_busy="interrupt")).status_code == 202
        refused = await say(visitor, chat, "one more", on_busy="interrupt")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["Retry-After"]) > 0


async def test_a_network_has_so_many_messages_an_hour_whatever_the_tokens():
    async with chat_service(items=1, network_messages_per_hour=2) as svc, svc.client() as visitor:
        for _ in range(2):
            assert (await say(visitor, await start(visitor), "hello")).status_code == 202
        assert (await say(visitor, await start(visitor), "hello")).status_code == 429


async def test_a_visitors_conversation_gets_no_longer_than_allowed():
    async with chat_service(items=1, word_seconds=0, visitor_messages_per_session=4) as svc, svc.client() as visitor:
        chat = await start(visitor)
        for number in range(2):
            await finished(visitor, await begin_answer(visitor, chat, f"hello {number}"))
        refused = await say(visitor, chat, "hello again")
        assert (refused.status_code, refused.json()["code"]) == (409, "session_full")


async def test_a_granted_message_is_sent_once_whatever_the_number_of_periods(svc, client, user_id):
    grant = {"grant_id": new_id(), "metric": "chat_messages", "amount": 3, "expires_at": None}
    await grant_messages(svc, user_id, 1, grants=[grant])
    for sent in (3, 2, 1):
        for _ in range(sent):
            await answer_to(client, await start(client), "Can I get a refund?")
        svc.clock.advance(31 * 86400)
    assert await svc.rows("SELECT drawn FROM grant_draws") == [{"drawn": 3}]
    assert (await say(client, await start(client), "hello")).status_code == 202
    assert (await say(client, await start(client), "hello")).status_code == 429


async def test_an_answer_that_failed_gives_a_granted_message_back(user_id):
    grant = {"grant_id": new_id(), "metric": "chat_messages", "amount": 2, "expires_at": None}
    async with chat_service(items=1, word_seconds=1) as slow, slow.client(user_id) as client:
        await grant_messages(slow, user_id, 0, grants=[grant])
        message_id = await begin_answer(client, await start(client))
        assert await slow.rows("SELECT drawn FROM grant_draws") == [{"drawn": 1}]
        async with slow.runtime.parts.assistant.running():
            pass
        assert (await finished(client, message_id))["status"] == "FAILED"
        assert await slow.rows("SELECT drawn FROM grant_draws") == [{"drawn": 0}]
