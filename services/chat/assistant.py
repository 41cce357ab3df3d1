"""The author of answers. The server owns an answer: a reader who goes away stops nothing, and every answer ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb

from services.chat import own_jobs
from services.chat.announcements import Announcements
from services.chat.composing import LOCAL_MODEL, PROVIDER, Answer, compose
from services.chat.faq import Faq
from services.chat.settings import ChatSettings
from shared.clock import Clock
from shared.database import Database
from shared.errors import Unavailable
from shared.logging import get_logger

log = get_logger(__name__)

# Longer than a word of any answer takes, and shorter than whoever stops the server is ready to wait.
STOP_SECONDS = 3

# The share lock makes a delta wait for whoever ends the answer, so that none is added to an ended text.
_APPEND = """
    INSERT INTO chat_stream_chunks (message_id, n, delta, tool)
    SELECT id, %(n)s, %(delta)s, %(tool)s FROM chat_messages
     WHERE id = %(id)s AND lease_token = %(lease)s AND status = 'STREAMING' FOR SHARE
    RETURNING n
"""
_RENEW = """
    UPDATE chat_messages SET lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
     WHERE id = %(id)s AND lease_token = %(lease)s AND status = 'STREAMING' RETURNING id
"""
_QUESTION = """
    SELECT q.content, s.locale, s.user_id FROM chat_messages a
      JOIN chat_messages q ON q.id = a.reply_to JOIN chat_sessions s ON s.id = a.chat_session_id
     WHERE a.id = %(id)s
"""
_FINISH = """
    SELECT chat_finish_v1(%(id)s, %(lease)s, %(status)s, %(reason)s, %(error)s, %(content)s, %(citations)s,
      %(provider)s, %(model)s, %(now)s) AS ended
"""
_NOT_KNOWN = """
    INSERT INTO unanswered_questions (message_id, question, locale, best_score, created_at)
    SELECT %(id)s, %(question)s, %(locale)s, %(score)s, %(now)s
     WHERE EXISTS (SELECT 1 FROM chat_messages WHERE id = %(id)s)
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Assignment:
    """An answer to write, and the lease that proves it is ours. `asker` is whose own jobs may be told of."""

    message_id: UUID
    lease: UUID
    asker: UUID | None


class LeaseLost(Exception):
    """The answer was ended by somebody else, or is gone."""


class Stopping(Exception):
    """The server ends; so does what it is writing."""


class Assistant:
    def __init__(
        self, database: Database, settings: ChatSettings, clock: Clock, faq: Faq, announcements: Announcements
    ) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._faq, self._announcements = faq, announcements
        self._room = asyncio.Semaphore(settings.answers_at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def begin(self, message_id: UUID, lease: UUID, asker: UUID | None) -> None:
        """Write the answer in the background."""
        task = asyncio.create_task(self._answer(Assignment(message_id, lease, asker)), name=f"answer-{message_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """At the end, answers that are not finished fail as interrupted, with the part that is there.

        They stop between two words of their own accord: a task that is cancelled within a query can wait for its
        connection until the server gives it up (psycopg issue 1371). Only who hangs elsewhere is cancelled.
        """
        self._is_stopping = False
        try:
            yield
        finally:
            self._is_stopping = True
            tasks = list(self._tasks)
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
                for task in late:
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, job: Assignment) -> None:
        renewing = asyncio.create_task(self._keep_lease(job))
        try:
            async with self._room:
                await self._write(job)
        except LeaseLost:
            self._announcements.tell(job.message_id)
        except Stopping:
            await self._fail(job, "interrupted")
        except asyncio.CancelledError:
            await self._fail(job, "interrupted")
            raise
        except Unavailable:
            await self._fail(job, "assistant_unavailable")
        except Exception:
            log.exception("answer_failed", message_id=str(job.message_id))
            await self._fail(job, "internal")
        finally:
            renewing.cancel()

    async def _write(self, job: Assignment) -> None:
        asked = await self._fetch(_QUESTION, {"id": job.message_id})
        if asked is None:
            raise LeaseLost
        question, is_own = str(asked["content"]), asked["user_id"] is not None and asked["user_id"] == job.asker
        told, own = await self._look_up(job, question) if is_own else (0, "")
        finding = await self._faq.find(question, str(asked["locale"]))
        answer = compose(finding, own)
        if answer.reason == "unknown":
            score = finding.hits[0].score if finding.hits else None
            known = {"question": asked["content"], "locale": asked["locale"], "score": score}
            await self._execute(_NOT_KNOWN, {**known, "id": job.message_id, "now": self._clock.now()})
        await self._stream(job, answer, told)
        if not await self._finish(job, "COMPLETE", reason=answer.reason, answer=answer):
            raise LeaseLost

    async def _look_up(self, job: Assignment, question: str) -> tuple[int, str]:
        """What there is to say of the asker's own jobs, if the question is about them; readers see that it was looked
        up. Returns the position in the log and the words."""
        tools = own_jobs.tools_asked_about(question)
        if tools is None or job.asker is None:
            return 0, ""
        await self._append(job, 1, tool={"event": "tool.started", "name": own_jobs.TOOL})
        async with self._database.read() as session:
            jobs, batch = await own_jobs.list_recent(session, job.asker, tools, self._clock.now())
        await self._append(
            job, 2, tool={"event": "tool.finished", "name": own_jobs.TOOL, "summary": {"jobs": len(jobs)}}
        )
        return 2, own_jobs.tell(jobs, batch)

    async def _stream(self, job: Assignment, answer: Answer, told: int) -> None:
        """Write the text down as deltas of about `coalesce_seconds` each, behind what was told before."""
        n = told
        async for delta in self._coalesced(answer):
            n += 1
            await self._append(job, n, delta)

    async def _append(self, job: Assignment, n: int, delta: str = "", tool: dict[str, object] | None = None) -> None:
        values = {"id": job.message_id, "lease": job.lease, "n": n, "delta": delta, "tool": tool and Jsonb(tool)}
        if await self._fetch(_APPEND, values) is None:
            raise LeaseLost
        self._announcements.tell(job.message_id)

    async def _coalesced(self, answer: Answer) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        gathered, since = "", loop.time()
        for piece in answer.pieces:
            gathered += piece
            await asyncio.sleep(self._settings.word_seconds)
            if self._is_stopping:
                raise Stopping
            if loop.time() - since >= self._settings.coalesce_seconds:
                yield gathered
                gathered, since = "", loop.time()
        if gathered:
            yield gathered

    async def _keep_lease(self, job: Assignment) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            values = {"id": job.message_id, "lease": job.lease, "seconds": self._settings.lease_seconds}
            try:
                await asyncio.shield(self._execute(_RENEW, values))
            except Exception as error:  # noqa: BLE001 - the next turn tries again; without any, the sweeper ends it
                log.warning("lease_not_renewed", error=type(error).__name__)

    async def _fail(self, job: Assignment, code: str) -> None:
        # If even this fails, the lease runs out and the sweeper says the same.
        with suppress(Exception):
            await asyncio.shield(self._finish(job, "FAILED", reason="error", error=code))

    async def _finish(
        self, job: Assignment, status: str, *, reason: str, error: str | None = None, answer: Answer | None = None
    ) -> bool:
        values = {
            "id": job.message_id,
            "lease": job.lease,
            "status": status,
            "reason": reason,
            "error": error,
            "content": answer.text if answer else None,
            "citations": Jsonb(list(answer.citations)) if answer else None,
            "provider": PROVIDER,
            "model": LOCAL_MODEL,
            "now": self._clock.now(),
        }
        row = await self._fetch(_FINISH, values)
        self._database.committed_events()
        self._announcements.tell(job.message_id)
        return bool(row and row["ended"])

    async def _fetch(self, query: str, values: dict[str, object]) -> dict[str, object] | None:
        async with self._database.pool.connection() as connection:
            return await (await connection.execute(query.encode(), values)).fetchone()

    async def _execute(self, query: str, values: dict[str, object]) -> None:
        async with self._database.pool.connection() as connection:
            await connection.execute(query.encode(), values)
