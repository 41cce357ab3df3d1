"""HTTP in: conversations. What is said in them is in `message_endpoints`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query, Response
from starlette.responses import StreamingResponse

from services.chat import handover_endpoints, message_endpoints, repository
from services.chat.errors import SessionNotFound
from services.chat.export import exported
from services.chat.models import ChatSession
from services.chat.parts import Parts
from services.chat.schemas import (
    ClaimSession,
    EditSession,
    OneSession,
    SessionRead,
    StartedSession,
    StartSession,
    UnansweredRead,
)
from services.chat.speaker import TOKEN_COOKIE, Newcomer, Reader, Speaker, Writer
from services.chat.usecases import sessions
from shared import rate_limits
from shared.database import Read, Write
from shared.errors import PreconditionFailed
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.rate_limits import Rule
from shared.routing import Router, role, user, visitor

router = Router(tags=["chat"])
router.include(message_endpoints.router)
router.include(handover_endpoints.router)

NDJSON: dict[int | str, dict[str, Any]] = {
    200: {"description": "Lines of JSON.", "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}
}
YEAR_SECONDS = 365 * 24 * 3600
HOUR = 3600
IfMatch = Annotated[str | None, Header(max_length=100)]
Words = Annotated[str | None, Query(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]


@router.post("/v1/chat/sessions", access=visitor, status_code=201)
async def start_session(body: StartSession, speaker: Newcomer, parts: Parts, response: Response) -> StartedSession:
    """A visitor gets the conversation's token, this once, also as the cookie `chat_session`."""
    if speaker.user_id is None:
        await _limit_newcomers(parts, speaker)
    chat, token = await sessions.start_session(parts.runtime.database, speaker, body.context, body.locale)
    if token:
        secure = parts.settings.public_url.startswith("https://")
        response.set_cookie(
            TOKEN_COOKIE, token, max_age=YEAR_SECONDS, httponly=True, secure=secure, samesite="lax", path="/v1/chat"
        )
    response.headers["Location"] = f"/v1/chat/sessions/{chat['id']}"
    return StartedSession(session=SessionRead(**chat), session_token=token)


async def _limit_newcomers(parts: Parts, speaker: Speaker) -> None:
    rule = Rule(parts.settings.network_sessions_per_hour, HOUR)
    async with parts.runtime.database.pool.connection() as connection:
        await rate_limits.enforce(connection, f"chat:start:{speaker.network}", rule, "Too many new conversations.")


@router.get("/v1/chat/sessions", access=user(scope="chat:read"))
async def list_sessions(
    caller: Caller, session: Read, parts: Parts, q: Words = None, cursor: Cursor = None, limit: Limit = 20
) -> Page[SessionRead]:
    """The caller's conversations, the latest first; `q` searches titles and what was said."""
    scope, cursors = f"chat:{caller.user_id}:{q}", parts.runtime.cursors
    position = cursors.read(scope, cursor) if cursor else None
    found = await repository.list_sessions(session, caller.user_id, words=q, limit=limit, position=position)

    def to_cursor(chat: ChatSession) -> str:
        return cursors.sign(scope, [chat.last_activity_at, chat.id])

    return page_of(found, limit, SessionRead.of, to_cursor)


@router.delete("/v1/chat/sessions", access=user(scope="chat:write"), status_code=204)
async def delete_all_sessions(speaker: Writer, caller: Caller, session: Write, parts: Parts) -> None:
    """Erase every word of all of the caller's conversations; what they used stays counted."""
    await sessions.delete_all_sessions(session, speaker, caller.user_id, parts.runtime.clock.now())


@router.get("/v1/chat/export", access=user(scope="chat:read"), responses=NDJSON, response_class=StreamingResponse)
async def export(speaker: Reader, caller: Caller, parts: Parts) -> StreamingResponse:
    """All of the caller's conversations as lines of JSON: one of a `session`, then one of each `message` in it."""
    lines = exported(parts.runtime.database, speaker, caller.user_id)
    headers = {"Content-Disposition": 'attachment; filename="conversations.ndjson"', "Cache-Control": "no-store"}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


@router.get("/v1/chat/sessions/current", access=visitor)
async def read_current_session(speaker: Reader, session: Read, response: Response) -> SessionRead:
    """The conversation of the token; without one the signed-in caller's latest that is still going on."""
    found = await repository.find_session_by_token(session, speaker.token) if speaker.token else None
    if found is None and speaker.user_id:
        found = await repository.find_latest_session(session, speaker.user_id)
    if found is None:
        raise SessionNotFound
    return _shown(found, response)


@router.post("/v1/chat/sessions/claim", access=user(scope="chat:write"))
async def claim_session(body: ClaimSession, caller: Caller, session: Write, parts: Parts) -> OneSession:
    """Take the conversation that was begun before signing in into the account; the token is dead afterwards."""
    chat = await sessions.claim_session(session, caller.user_id, body.session_token, parts.runtime.clock.now())
    return OneSession(session=SessionRead.of(chat))


@router.get("/v1/chat/sessions/{session_id}", access=visitor)
async def read_session(session_id: UUID, speaker: Reader, parts: Parts, response: Response) -> SessionRead:
    chat = await sessions.read_session(parts.runtime.database, speaker, session_id)
    response.headers["ETag"] = f'"{chat.pop("edits")}"'
    return SessionRead(**chat)


@router.patch("/v1/chat/sessions/{session_id}", access=visitor)
async def edit_session(
    session_id: UUID, body: EditSession, speaker: Writer, session: Write, response: Response, if_match: IfMatch = None
) -> SessionRead:
    """Set the title, merge the context (RFC 7396). `If-Match` is honoured, not demanded."""
    changes = body.model_dump(exclude_unset=True)
    chat = await sessions.edit_session(session, speaker, session_id, changes, _expected(if_match))
    return _shown(chat, response)


@router.delete("/v1/chat/sessions/{session_id}", access=visitor, status_code=204)
async def delete_session(session_id: UUID, speaker: Writer, session: Write, parts: Parts) -> None:
    """Erase every word of it; what it used stays counted."""
    await sessions.delete_session(session, speaker, session_id, parts.runtime.clock.now())


@router.post("/v1/chat/sessions/{session_id}/end", access=visitor)
async def end_session(session_id: UUID, speaker: Writer, session: Write, parts: Parts) -> SessionRead:
    """Nothing more can be said in it; it stays readable."""
    return SessionRead.of(await sessions.end_session(session, speaker, session_id, parts.runtime.clock.now()))


@router.get("/v1/admin/chat/unanswered", access=role("admin"))
async def list_unanswered(
    session: Read, parts: Parts, cursor: Cursor = None, limit: Limit = 50
) -> Page[UnansweredRead]:
    """The questions that the FAQ did not answer, newest first: what it lacks."""
    cursors = parts.runtime.cursors
    position = cursors.read("chat:unanswered", cursor) if cursor else None
    found = await repository.list_unanswered(session, limit=limit, position=position)
    return page_of(
        found, limit, UnansweredRead.of, lambda row: cursors.sign("chat:unanswered", [row.created_at, row.message_id])
    )


def _shown(chat: ChatSession, response: Response) -> SessionRead:
    response.headers["ETag"] = f'"{chat.edits}"'
    return SessionRead.of(chat)


def _expected(if_match: str | None) -> int | None:
    """The number of edits the caller has seen; None when any will do. Raises PreconditionFailed for a foreign tag."""
    if if_match is None or if_match == "*":
        return None
    tag = if_match.removeprefix("W/").strip('"')
    if not (tag.isascii() and tag.isdigit()):
        raise PreconditionFailed
    return int(tag)
