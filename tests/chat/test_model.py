"""The sentence model: late, absent or busy, it must not take the service with it."""

import asyncio
import threading

import pytest

from services.chat import faq
from services.chat.retrieval.embedding import ModelUnavailable, load_encoder
from tests.support.chat import CANCEL_QUESTION, answer_to, begin_answer, chat_service, finished, item, start


@pytest.fixture
def release(svc, monkeypatch):
    """Holds every model that is loaded from now on back until it is called; `svc` has made the template before."""
    released = threading.Event()

    def load():
        assert released.wait(60)
        return load_encoder()

    monkeypatch.setattr(faq, "load_encoder", load)
    yield released.set
    released.set()


async def test_the_start_does_not_wait_for_the_model_and_the_first_question_does(release):
    async with chat_service(word_seconds=0) as svc, svc.client() as visitor:
        assert (await visitor.get("/readyz")).status_code == 200
        chat = await start(visitor)
        message_id = await begin_answer(visitor, chat)
        assert (await visitor.get(f"/v1/chat/messages/{message_id}")).json()["status"] == "STREAMING"
        release()
        assert (await finished(visitor, message_id))["finish_reason"] == "answered"


async def test_a_service_that_ends_while_the_model_loads_ends_at_once(release):
    async with asyncio.timeout(20):
        async with chat_service(word_seconds=0) as svc, svc.client() as visitor:
            await begin_answer(visitor, await start(visitor))
            asyncio.get_running_loop().call_later(1, release)


async def test_without_a_model_conversations_work_and_answers_say_why_there_is_none(svc, monkeypatch, user_id):
    def load():
        raise ModelUnavailable("not installed")

    monkeypatch.setattr(faq, "load_encoder", load)
    async with chat_service(word_seconds=0) as bare, bare.client(user_id) as client:
        chat = await start(client)
        answer = await answer_to(client, chat, CANCEL_QUESTION)
        assert (answer["status"], answer["error_code"]) == ("FAILED", "assistant_unavailable")
        assert await bare.rows("SELECT used, reserved FROM usage_counters") == [{"used": 0, "reserved": 0}]


async def test_the_event_loop_turns_while_the_model_works(svc):
    """This takes about a second; on the loop nobody else would be served in that time."""
    encoder = await svc.runtime.parts.faq._loaded()
    texts = ["and what about the rest of it " * 40] * 16
    working = asyncio.create_task(svc.runtime.parts.faq._in_thread(lambda: encoder.encode(texts)))
    turns = 0
    while not working.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert len(await working) == len(texts)
    assert turns > 50


async def test_a_changed_item_embeds_only_what_is_new(svc, client):
    known = (await svc.rows("SELECT count(*) AS n FROM embeddings"))[0]["n"]
    await svc.receive(item("Do you sell flamingos?", "Pink ones. On Fridays."))
    assert (await answer_to(client, await start(client), "do you sell flamingos"))["content"].startswith("Pink")
    now = (await svc.rows("SELECT count(*) AS n FROM embeddings"))[0]["n"]
    assert now == known + 4
