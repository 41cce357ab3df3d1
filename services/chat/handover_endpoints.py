"""HTTP in: from the assistant to a person of the staff, and back."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from services.chat import repository
from services.chat.models import ChatSession
from services.chat.parts import Parts
from services.chat.schemas import AskForPerson, MessageRead, Mode, Reply, SessionRead, StaffSessionRead
from services.chat.speaker import STAFF, Writer
from services.chat.usecases import handover
from shared.database import Read, Write
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, role, visitor

router = Router()

# Whoever answers people works for longer than a fresh sign-in lasts.
staff = role(*STAFF, fresh=False)


@router.post("/v1/chat/sessions/{session_id}/handoff", access=visitor)
async def request_person(
    session_id: UUID, speaker: Writer, session: Write, parts: Parts, body: AskForPerson | None = None
) -> SessionRead:
    """Ask for a person. The assistant is silent until the conversation is given back to it."""
    reason, now = body.reason if body else None, parts.runtime.clock.now()
    return SessionRead.of(await handover.request_person(session, speaker, session_id, reason, now))


@router.post("/v1/chat/sessions/{session_id}/takeover", access=staff)
async def take_over(session_id: UUID, caller: Caller, session: Write, parts: Parts) -> SessionRead:
    """The conversation is the caller's from now on, also when another agent had it; its history is open to them."""
    return SessionRead.of(await handover.take_over(session, session_id, caller.user_id, parts.runtime.clock.now()))


@router.post("/v1/chat/sessions/{session_id}/reply", access=staff, status_code=201)
async def reply(
    session_id: UUID, body: Reply, caller: Caller, session: Write, parts: Parts, response: Response
) -> MessageRead:
    """Answer in a conversation that the caller has taken over."""
    now = parts.runtime.clock.now()
    said = await handover.reply(session, session_id, caller.user_id, body.content, body.client_message_id, now)
    response.headers["Location"] = f"/v1/chat/messages/{said.id}"
    return MessageRead.of(said)


@router.post("/v1/chat/sessions/{session_id}/release", access=staff)
async def release(session_id: UUID, caller: Caller, session: Write) -> SessionRead:
    """Give the conversation back to the assistant."""
    return SessionRead.of(await handover.release(session, session_id, caller.user_id))


@router.get("/v1/admin/chat/sessions", access=role(*STAFF))
async def list_all_sessions(
    session: Read,
    parts: Parts,
    mode: Annotated[Mode | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[StaffSessionRead]:
    """Everybody's conversations, without what was said. With `mode=WAITING_HUMAN` whoever waits longest comes first."""
    scope, cursors = f"chat:all:{mode}", parts.runtime.cursors
    position = cursors.read(scope, cursor) if cursor else None
    found = await repository.list_all_sessions(session, mode=mode, limit=limit, position=position)

    def to_cursor(chat: ChatSession) -> str:
        return cursors.sign(scope, [chat.last_activity_at, chat.id])

    names = await repository.find_names(session, {chat.user_id for chat in found if chat.user_id})

    def shown(chat: ChatSession) -> StaffSessionRead:
        return StaffSessionRead.named(chat, names.get(chat.user_id) if chat.user_id else None)

    return page_of(found, limit, shown, to_cursor)
