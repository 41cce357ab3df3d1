"""Asking, asking again, stopping, judging. An ask is one statement: lock, quota, both messages, or a reason why not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from services.chat import repository
from services.chat.allowance import METRIC, Allowance, allowance_of, free_entitlement
from services.chat.errors import (
    AccountDisabled,
    AnswerInProgress,
    ClientMessageIdReused,
    MessageNotFound,
    NotAnAnswer,
    PersonAnswers,
    SessionEnded,
    SessionFull,
    SessionNotFound,
)
from services.chat.models import ChatMessage, Entitlement, Feedback
from services.chat.settings import ChatSettings
from services.chat.speaker import Speaker
from shared import rate_limits
from shared.contracts.chat import ChatFeedbackGiven
from shared.database import Database, WriteSession
from shared.errors import Problem, QuotaExceeded
from shared.events.outbox import publish
from shared.ids import new_id
from shared.rate_limits import Rule

HOUR = 3600

_ASK = """
    SELECT * FROM chat_ask_v1(%(session)s, %(user)s, %(token)s, %(question)s, %(answer)s, %(client)s, %(content)s,
      %(interrupt)s, %(most)s, %(limit)s, %(start)s, %(end)s, %(lease)s, %(seconds)s, %(now)s)
"""
_REGENERATE = """
    SELECT chat_regenerate_v1(%(session)s, %(user)s, %(token)s, %(question)s, %(answer)s, %(most)s,
      %(limit)s, %(start)s, %(end)s, %(lease)s, %(seconds)s, %(now)s) AS outcome
"""
_OWNER = (
    "SELECT user_id FROM chat_sessions WHERE id = %s AND (user_id = %s OR (user_id IS NULL AND session_token = %s))"
)
_STOP = text("SELECT chat_finish_v1(:id, NULL, 'STOPPED', 'stopped', NULL, NULL, NULL, NULL, NULL, :now)")
_BUMP = text("UPDATE chat_sessions SET version = version + 1 WHERE id = :id RETURNING version")


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody says. `on_busy` decides what happens to an answer that is still being written."""

    client_message_id: str
    content: str
    on_busy: Literal["reject", "interrupt"] = "reject"


@dataclass(frozen=True, slots=True)
class Asked:
    """The pair. `lease` is what the answer is written with, or None when the pair was there before.
    There is no answer while a person has the conversation."""

    user_message: UUID
    assistant_message: UUID | None
    lease: UUID | None


async def ask(
    database: Database, settings: ChatSettings, speaker: Speaker, session_id: UUID, question: Question, now: datetime
) -> Asked:
    """Store the question and begin its answer, in a transaction of its own.

    Raises SessionNotFound, SessionEnded, SessionFull, AnswerInProgress, ClientMessageIdReused, QuotaExceeded and
    RateLimited.
    """
    async with database.pool.connection() as connection:
        values = await _terms(connection, settings, speaker, session_id, now)
        said = {
            "client": question.client_message_id,
            "content": question.content,
            "interrupt": question.on_busy == "interrupt",
            "question": new_id(),
        }
        row = await (await connection.execute(_ASK, {**values, **said})).fetchone()
    database.committed_events()
    assert row is not None
    _refuse(row["outcome"], values)
    return Asked(row["question"], row["answer"], values["lease"] if row["outcome"] == "ok" else None)


async def ask_again(
    database: Database, settings: ChatSettings, speaker: Speaker, answer: ChatMessage, now: datetime
) -> Asked:
    """Begin another answer to the same question; the first one stays in the history. Raises as `ask` does."""
    if answer.role != "ASSISTANT" or answer.reply_to is None:
        raise NotAnAnswer
    async with database.pool.connection() as connection:
        values = {
            **await _terms(connection, settings, speaker, answer.chat_session_id, now),
            "question": answer.reply_to,
        }
        row = await (await connection.execute(_REGENERATE, values)).fetchone()
    database.committed_events()
    assert row is not None
    if row["outcome"] == "human":
        raise PersonAnswers
    _refuse(row["outcome"], values)
    return Asked(answer.reply_to, values["answer"], values["lease"])


async def _terms(
    connection: AsyncConnection[dict[str, Any]],
    settings: ChatSettings,
    speaker: Speaker,
    session_id: UUID,
    now: datetime,
) -> dict[str, Any]:
    """What both kinds of asking need. Limits depend on whose conversation it is, not on who is signed in."""
    owner = await (await connection.execute(_OWNER, (session_id, speaker.user_id, speaker.token))).fetchone()
    if owner is None:
        raise SessionNotFound
    values: dict[str, Any] = {
        "session": session_id,
        "user": speaker.user_id,
        "token": speaker.token,
        "answer": new_id(),
        "lease": new_id(),
        "seconds": settings.lease_seconds,
        "now": now,
    }
    if owner["user_id"] is None:
        await _spend_visitor_limits(connection, settings, speaker)
        most = settings.visitor_messages_per_session
        return {**values, "most": most, "limit": None, "start": None, "end": None}
    allowance = await _allowance(connection, owner["user_id"], now)
    return {
        **values,
        "most": settings.user_messages_per_session,
        "limit": allowance.limit,
        "start": allowance.period_start,
        "end": allowance.period_end,
    }


async def _spend_visitor_limits(
    connection: AsyncConnection[dict[str, Any]], settings: ChatSettings, speaker: Speaker
) -> None:
    assert speaker.token is not None
    by_token = Rule(settings.visitor_messages_per_hour, HOUR)
    await rate_limits.enforce(connection, f"chat:token:{speaker.token.hex()}", by_token, "Sign in to ask more.")
    by_network = Rule(settings.network_messages_per_hour, HOUR)
    await rate_limits.enforce(connection, f"chat:network:{speaker.network}", by_network, "Sign in to ask more.")


async def _allowance(connection: AsyncConnection[dict[str, Any]], user_id: UUID, now: datetime) -> Allowance:
    """By what billing said. Whoever we know nothing of gets the free plan from now on, never an endless one."""
    row = await (await connection.execute("SELECT * FROM entitlements WHERE user_id = %s", (user_id,))).fetchone()
    if row is None:
        row = await (await connection.execute(_BEGIN_FREE, _free_values(user_id, now))).fetchone()
    assert row is not None
    if row["disabled_at"] is not None:
        raise AccountDisabled
    return allowance_of(Entitlement(**row), now)


# The update changes nothing; it makes a row that somebody else has just inserted come back.
_BEGIN_FREE = """
    INSERT INTO entitlements (user_id, version, plan_id, limits, grants, period_anchor, updated_at)
    VALUES (%(user_id)s, 0, %(plan_id)s, jsonb_build_object(%(metric)s::text, %(limit)s::bigint), '[]', %(now)s,
      %(now)s)
    ON CONFLICT (user_id) DO UPDATE SET version = entitlements.version RETURNING *
"""


def _free_values(user_id: UUID, now: datetime) -> dict[str, Any]:
    free = free_entitlement(user_id, now, now)
    return {"user_id": user_id, "plan_id": free.plan_id, "metric": METRIC, "limit": free.limits[METRIC], "now": now}


def _refuse(outcome: str, values: dict[str, Any]) -> None:
    refusals: dict[str, type[Problem]] = {
        "absent": SessionNotFound,
        "ended": SessionEnded,
        "full": SessionFull,
        "busy": AnswerInProgress,
        "reused": ClientMessageIdReused,
    }
    if outcome == "quota":
        raise QuotaExceeded(METRIC, values["end"])
    if outcome in refusals:
        raise refusals[outcome]


async def stop_answer(session: WriteSession, speaker: Speaker, message_id: UUID, now: datetime) -> None:
    """End an answer with the part that is there. Stopping what has ended changes nothing."""
    message, _ = await repository.get_message(session, speaker, message_id)
    if message.role != "ASSISTANT":
        raise NotAnAnswer
    if await session.scalar(_STOP, {"id": message_id, "now": now}):
        session.info["published"] = True


async def give_feedback(
    session: WriteSession, speaker: Speaker, message_id: UUID, feedback: dict[str, Any], now: datetime
) -> None:
    """Judge an answer; a second judgement replaces the first."""
    message, _ = await repository.get_message(session, speaker, message_id)
    if message.role != "ASSISTANT":
        raise NotAnAnswer
    row = {"message_id": message_id, "created_at": now, **feedback}
    statement = insert(Feedback).values(row)
    await session.execute(statement.on_conflict_do_update(index_elements=["message_id"], set_=row))
    version = await session.scalar(_BUMP, {"id": message.chat_session_id})
    if version is None:
        raise MessageNotFound
    event = ChatFeedbackGiven(
        session_id=message.chat_session_id,
        user_id=speaker.user_id,
        message_id=message_id,
        rating=feedback["rating"],
        reason=feedback["reason"],
    )
    await publish(session, event, sequence=version)
