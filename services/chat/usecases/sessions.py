"""Conversations: start, claim, edit, end, delete."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import delete, text, update

from services.chat import repository
from services.chat.errors import SessionNotFound
from services.chat.models import MAX_CONTEXT_BYTES, ChatSession
from services.chat.speaker import Speaker, hash_of, new_token
from shared.contracts.chat import ChatSessionClaimed, ChatSessionEnded, ChatSessionStarted
from shared.database import Database, WriteSession
from shared.errors import PreconditionFailed, Unprocessable
from shared.events.outbox import APPEND, appended, publish
from shared.ids import new_id

SHOWN = "id, user_id, title, context, mode, is_active, message_count, created_at, last_activity_at, ended_at"
STOP_OPEN_ANSWER = text("""
    SELECT chat_finish_v1(id, NULL, 'STOPPED', :reason, NULL, NULL, NULL, NULL, NULL, :now)
      FROM chat_messages WHERE chat_session_id = :session_id AND status = 'STREAMING'
""")


# Both are among the platform's most frequent requests, so each is one statement without the ORM.
_START = f"""
    WITH started AS (
      INSERT INTO chat_sessions (id, user_id, session_token, context, locale, created_at, last_activity_at)
      VALUES (%(id)s, %(user_id)s, %(session_token)s, %(context)s, %(locale)s, %(now)s, %(now)s) RETURNING *
    ), told AS ({APPEND})
    SELECT {SHOWN} FROM started
"""  # noqa: S608 - of constants
_READ = f"""
    SELECT {SHOWN}, edits FROM chat_sessions
     WHERE id = %(id)s
       AND (user_id = %(user_id)s OR (user_id IS NULL AND session_token = %(token)s)
            OR (%(is_staff)s AND agent_id = %(user_id)s))
"""  # noqa: S608 - of constants


async def start_session(
    database: Database, speaker: Speaker, context: dict[str, Any], locale: str
) -> tuple[dict[str, Any], str | None]:
    """The new conversation's row and, for a visitor, its token, which is nowhere stored."""
    token = None if speaker.user_id else new_token()
    session_id, user_id = new_id(), speaker.user_id
    started = ChatSessionStarted(session_id=session_id, user_id=user_id, locale=locale, anonymous=token is not None)
    values = {
        "id": session_id,
        "user_id": user_id,
        "session_token": hash_of(token) if token else None,
        "context": Jsonb(context),
        "locale": locale,
        "now": database.clock.now(),
        **appended(database, started, sequence=1),
    }
    async with database.pool.connection() as connection:
        row = await (await connection.execute(_START, values)).fetchone()
    database.committed_events()
    assert row is not None
    return row, token


async def read_session(database: Database, speaker: Speaker, session_id: UUID) -> dict[str, Any]:
    """The row of a conversation that the speaker may read, with its number of edits. Raises SessionNotFound."""
    values = {"id": session_id, "user_id": speaker.user_id, "token": speaker.token, "is_staff": speaker.is_staff}
    async with database.pool.connection() as connection:
        row = await (await connection.execute(_READ, values)).fetchone()
    if row is None:
        raise SessionNotFound
    return row


async def claim_session(session: WriteSession, user_id: UUID, token: str, now: datetime) -> ChatSession:
    """Take a visitor's conversation along into an account. The token opens nothing any more afterwards: the next
    visitor of a shared computer must not read on. Claiming again is fine; for anybody else it does not exist."""
    shown = hash_of(token)
    claim = (
        update(ChatSession)
        .where(ChatSession.session_token == shown, ChatSession.user_id.is_(None))
        .values(
            user_id=user_id,
            session_token=None,
            claimed_token=shown,
            claimed_at=now,
            version=ChatSession.version + 1,
        )
        .returning(ChatSession)
    )
    claimed = await session.scalar(claim)
    if claimed is not None:
        fact = ChatSessionClaimed(session_id=claimed.id, user_id=user_id)
        await publish(session, fact, sequence=claimed.version)
        return claimed
    known = await repository.find_claimed_session(session, user_id, shown)
    if known is None:
        raise SessionNotFound
    return known


async def edit_session(
    session: WriteSession,
    speaker: Speaker,
    session_id: UUID,
    changes: dict[str, Any],
    expected: int | None,
) -> ChatSession:
    """Set the title and merge the context (RFC 7396). Raises PreconditionFailed when `expected` edits are not the
    present ones."""
    chat = await repository.lock_session(session, speaker, session_id)
    if expected is not None and chat.edits != expected:
        raise PreconditionFailed
    if "title" in changes:
        chat.title = changes["title"]
    if "context" in changes:
        chat.context = merged(chat.context, changes["context"] or {})
        _check_size(chat.context)
    chat.edits += 1
    return chat


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _check_size(context: dict[str, Any]) -> None:
    if len(json.dumps(context, ensure_ascii=False).encode()) > MAX_CONTEXT_BYTES:
        raise Unprocessable(errors=[{"field": "context", "message": f"must stay below {MAX_CONTEXT_BYTES} bytes"}])


async def end_session(session: WriteSession, speaker: Speaker, session_id: UUID, now: datetime) -> ChatSession:
    """Nothing more can be said in it; it stays readable. Ending twice is ending once."""
    chat = await repository.lock_session(session, speaker, session_id)
    if not chat.is_active:
        return chat
    await session.execute(STOP_OPEN_ANSWER, {"session_id": chat.id, "reason": "ended", "now": now})
    await session.refresh(chat)
    chat.is_active, chat.ended_at, chat.version = False, now, chat.version + 1
    ended = ChatSessionEnded(session_id=chat.id, user_id=chat.user_id, reason="ended", message_count=chat.message_count)
    await publish(session, ended, sequence=chat.version)
    return chat


async def delete_session(session: WriteSession, speaker: Speaker, session_id: UUID, now: datetime) -> None:
    """Erase every word; what it used stays counted."""
    chat = await repository.lock_session(session, speaker, session_id)
    await session.execute(STOP_OPEN_ANSWER, {"session_id": chat.id, "reason": "deleted", "now": now})
    await session.execute(delete(ChatSession).where(ChatSession.id == chat.id))
    session.info["published"] = True


async def delete_all_sessions(session: WriteSession, speaker: Speaker, user_id: UUID, now: datetime) -> None:
    """Erase every word of all of a user's conversations, in one transaction."""
    for session_id in await repository.lock_session_ids(session, user_id):
        await delete_session(session, speaker, session_id, now)
