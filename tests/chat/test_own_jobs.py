"""The assistant sees the jobs of who asks, and nobody else's; staff see the names of who asks."""

from datetime import timedelta

import pytest

from services.chat.own_jobs import tools_asked_about
from services.chat.tasks import prune
from shared.contracts.accounts import UserRegistered, UserUpdated
from shared.contracts.jobs import (
    BatchCompleted,
    JobCancelled,
    JobCompleted,
    JobCreated,
    JobFailed,
    JobResultExpired,
    JobResultExpiring,
    JobRetryScheduled,
    JobStarted,
)
from shared.ids import new_id
from tests.support.chat import CANCEL_QUESTION, answer_to, begin_answer, listen, start

WHERE = "Are my jobs done yet?"


class Work:
    """A job of a user, told of as jobs does."""

    def __init__(self, svc, user_id, tool="memes"):
        self._svc, self._version = svc, 0
        self._same = {"job_id": new_id(), "user_id": user_id, "family": "ai", "tool": tool, "attempt": 1}

    async def _tell(self, kind, **facts):
        self._version += 1
        same = {name: value for name, value in self._same.items() if name in kind.model_fields}
        await self._svc.receive(kind(**same, **facts), sequence=self._version)
        return self

    async def created(self):
        return await self._tell(JobCreated, units={})

    async def started(self):
        return await self._tell(JobStarted, units={})

    async def retried(self, at):
        return await self._tell(JobRetryScheduled, units={}, run_at=at)

    async def completed(self, until=None):
        timing = {"run_ms": 1, "queued_ms": 1, "engine": "local"}
        return await self._tell(JobCompleted, files=[], units={}, expires_at=until, **timing)

    async def failed(self, code):
        return await self._tell(JobFailed, error_code=code, units_released={})

    async def cancelled(self):
        return await self._tell(JobCancelled, by="user", units_released={})

    async def expiring(self, until):
        return await self._tell(JobResultExpiring, expires_at=until)

    async def expired(self, until):
        return await self._tell(JobResultExpired, expires_at=until)


async def told(client, chat, question=WHERE):
    return (await answer_to(client, chat, question))["content"]


async def test_the_assistant_follows_a_job_through_its_life(svc, client, chat, user_id):
    until = svc.clock.now() + timedelta(days=7)
    work = await Work(svc, user_id).created()
    assert "memes, ordered" in await told(client, chat)
    assert "waiting for its turn" in await told(client, chat)
    await work.started()
    assert "being made right now" in await told(client, chat)
    await work.retried(svc.clock.now() + timedelta(minutes=5))
    assert "the next try is due" in await told(client, chat)
    await work.completed(until)
    assert f"kept until {until:%-d %B}" in await told(client, chat)
    await work.expiring(until)
    assert f"kept until {until:%-d %B}" in await told(client, chat)
    await work.expired(until)
    assert "files have been removed" in await told(client, chat)


async def test_the_assistant_says_why_a_render_failed(svc, client, chat, user_id):
    await (await Work(svc, user_id, "reels").created()).failed("INPUT_TOO_LARGE")
    await (await Work(svc, user_id, "memes").created()).cancelled()
    said = await told(client, chat, "Why did my reel fail?")
    assert "the file was too large (INPUT_TOO_LARGE)" in said
    assert "memes" not in said


async def test_the_assistant_tells_how_a_batch_ended(svc, client, chat, user_id):
    await svc.receive(BatchCompleted(batch_id=new_id(), user_id=user_id, counts={"COMPLETED": 9, "FAILED": 1}))
    assert "9 completed, 1 failed" in await told(client, chat, "Is my batch ready?")


async def test_nobody_is_told_of_anybody_elses_jobs(svc, client, chat, visitor):
    await (await Work(svc, new_id()).created()).started()
    assert "memes" not in await told(client, chat)
    assert "memes" not in await told(visitor, await start(visitor))


async def test_an_api_key_without_the_right_to_see_jobs_learns_nothing_of_them_by_asking(svc, chat, user_id):
    await Work(svc, user_id).created()
    scopes = ["chat:read", "chat:write"]
    async with svc.client(user_id, scopes=scopes) as narrow, svc.client(user_id, scopes=[*scopes, "jobs:read"]) as wide:
        assert "memes" not in await told(narrow, chat)
        assert "memes" in await told(wide, chat)


async def test_a_question_about_both_gets_the_help_article_too(svc, client, chat, user_id):
    await Work(svc, user_id).created()
    answer = await answer_to(client, chat, f"{CANCEL_QUESTION} And is my job done?")
    assert "waiting for its turn" in answer["content"]
    if answer["citations"]:
        assert len(answer["content"].split("\n\n")) > 1


async def test_an_answer_from_the_help_articles_is_the_same_for_who_has_jobs(svc, client, chat, user_id):
    before = await answer_to(client, chat, CANCEL_QUESTION)
    await Work(svc, user_id).created()
    after = await answer_to(client, chat, CANCEL_QUESTION)
    assert (after["content"], after["citations"]) == (before["content"], before["citations"])


async def test_readers_see_that_the_assistant_looks_jobs_up_also_when_they_come_back(svc, client, chat, user_id):
    await Work(svc, user_id).created()
    path = f"/v1/chat/messages/{await begin_answer(client, chat, WHERE)}/stream"
    events = [event async for event in listen(client, f"{path}?after=0")]
    assert [event.name for event in events[:2]] == ["tool.started", "tool.finished"]
    assert (events[1].data["name"], events[1].data["summary"]) == ("my_jobs", {"jobs": 1})
    text = "".join(event.data["text"] for event in events if event.name == "message.delta")
    assert text == events[-1].data["message"]["content"]
    again = [event async for event in listen(client, f"{path}?after=1")]
    assert [event.name for event in again] == [event.name for event in events[1:]]


async def test_jobs_that_nobody_would_ask_about_any_more_are_forgotten(svc, client, chat, user_id):
    await (await Work(svc, user_id).created()).completed()
    svc.clock.advance(15 * 24 * 3600)
    assert "memes" not in await told(client, chat)
    svc.clock.advance(80 * 24 * 3600)
    await prune(svc.runtime)
    assert await svc.rows("SELECT job_id FROM known_jobs") == []


@pytest.mark.parametrize(
    ("question", "tools"),
    [
        ("Is my reel ready?", {"reels"}),
        ("why did my render fail", set()),
        ("What is the status of my jobs?", set()),
        ("Where are the subtitles I ordered?", {"subtitles"}),
        ("my video is stuck", {"video-editor"}),
        ("How do I cancel my plan?", None),
        ("How do I make a reel?", None),
        ("What does the Viral plan cost?", None),
        ("Why was I charged twice?", None),
    ],
)
def test_questions_about_ones_own_jobs_are_told_from_others(question, tools):
    asked = tools_asked_about(question)
    assert asked == (None if tools is None else frozenset(tools))


async def test_staff_see_the_newest_name_of_who_asks(svc, client, chat, user_id, visitor):
    await start(visitor)
    registered = {"handle": "ada", "display_name": "Ada", "locale": "en", "email_fingerprint": "x"}
    renamed = UserUpdated(user_id=user_id, handle="ada", display_name="Countess", changed=["display_name"])
    await svc.receive(renamed, sequence=3)
    event = UserRegistered(user_id=user_id, registered_at=svc.clock.now(), **registered)
    await svc.receive(event, sequence=2)
    async with svc.client(new_id(), roles=["user", "support"]) as staff:
        shown = (await staff.get("/v1/admin/chat/sessions")).json()["items"]
    names = {item["user_id"]: (item["handle"], item["display_name"]) for item in shown}
    assert names == {str(user_id): ("ada", "Countess"), None: (None, None)}
