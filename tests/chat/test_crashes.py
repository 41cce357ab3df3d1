import asyncio
import os
import signal
import sys
from pathlib import Path

from services.chat import tasks
from tests.support.chat import begin_answer, chat_service, finished, listen, over_http, say, start

ROOT = Path(__file__).parents[2]
# Writes one answer word by word, on the lease it was given, until somebody kills it.
AUTHOR = """
import asyncio, sys
from uuid import UUID
from services.chat.announcements import Announcements
from services.chat.assistant import Assignment, Assistant
from services.chat.composing import Answer
from services.chat.faq import Faq
from services.chat.settings import ChatSettings
from shared.clock import SystemClock
from shared.database import Database

async def main(url, message_id, lease):
    database = Database(url, service="chat", clock=SystemClock())
    await database.open()
    settings = ChatSettings(word_seconds=0.05, coalesce_seconds=0.01)
    author = Assistant(database, settings, SystemClock(), Faq(database), Announcements(database))
    await author._stream(Assignment(UUID(message_id), UUID(lease), None), Answer("word " * 1000, (), "answered"), 0)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_an_answer_whose_author_is_killed_fails_and_keeps_its_part():
    """R16, with a process of its own that is killed in mid-answer."""
    async with chat_service(items=1, lease_seconds=1) as svc, over_http(svc) as visitor:
        chat = await start(visitor)
        message_id, lease = await _abandoned_answer(svc, visitor, chat)
        url = svc.runtime.database.url
        author = await asyncio.create_subprocess_exec(
            sys.executable, "-c", AUTHOR, url, message_id, str(lease), cwd=ROOT
        )
        seen = []
        async for told in listen(visitor, f"/v1/chat/messages/{message_id}/stream"):
            seen.append(told)
            if len(seen) == 5:
                os.kill(author.pid, signal.SIGKILL)
                await author.wait()
                await _sweep_until_ended(svc)
        assert seen[-1].name == "message.failed"
        message = seen[-1].data["message"]
        assert (message["status"], message["error_code"]) == ("FAILED", "interrupted")
        assert message["content"] == "".join(told.data["text"] for told in seen[:-1]) != ""
        assert (await say(visitor, chat, "again?")).status_code == 202


async def _abandoned_answer(svc, visitor, chat):
    """An answer that this process began and will not write: its author here is stopped at once."""
    assistant = svc.runtime.parts.assistant
    begun = []
    original = type(assistant).begin
    type(assistant).begin = lambda _self, message_id, lease, _asker: begun.append((str(message_id), lease))
    try:
        await begin_answer(visitor, chat)
    finally:
        type(assistant).begin = original
    return begun[0]


async def _sweep_until_ended(svc):
    async with asyncio.timeout(6):
        while not await tasks.end_abandoned_answers(svc.runtime):  # noqa: ASYNC110 - the lease ends by the database's clock
            await asyncio.sleep(0.1)


async def test_a_server_that_stops_ends_its_answers_as_interrupted(user_id):
    async with chat_service(items=1, word_seconds=1) as svc, over_http(svc, user_id) as client:
        message_id = await begin_answer(client, await start(client))
        async for _ in listen(client, f"/v1/chat/messages/{message_id}/stream"):
            break
        async with svc.runtime.parts.assistant.running():
            pass
        message = await finished(client, message_id)
        assert (message["status"], message["error_code"]) == ("FAILED", "interrupted")
        assert message["content"]
        assert await svc.rows("SELECT used, reserved FROM usage_counters") == [{"used": 0, "reserved": 0}]


async def test_what_is_alive_is_not_swept():
    async with chat_service(items=1, word_seconds=0.1, lease_seconds=1) as svc, over_http(svc) as visitor:
        message_id = await begin_answer(visitor, await start(visitor))
        for _ in range(10):
            assert await tasks.end_abandoned_answers(svc.runtime) == 0
            await asyncio.sleep(0.05)
        await visitor.post(f"/v1/chat/messages/{message_id}/stop")
