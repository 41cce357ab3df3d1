"""From the assistant to a person and back.

Whoever changes the mode holds the session's lock, as the beginning and the end of every answer do: once a person has
taken over, the assistant can't add a letter.
"""

from datetime import datetime
from uuid import UUID

from services.chat import repository
from services.chat.errors import ClientMessageIdReused, NotTakenOver, SessionEnded
from services.chat.models import ChatMessage, ChatSession
from services.chat.speaker import Speaker
from services.chat.usecases.sessions import STOP_OPEN_ANSWER
from shared.contracts.chat import ChatHandoffAccepted, ChatHandoffReleased, ChatHandoffRequested
from shared.database import WriteSession
from shared.events.outbox import publish
from shared.ids import new_id

# What ended an answer that was being written, as its readers are told.
REQUESTED, ACCEPTED = "handoff_requested", "handoff_accepted"


async def request_person(
    session: WriteSession, speaker: Speaker, session_id: UUID, reason: str | None, now: datetime
) -> ChatSession:
    """Ask for a person; the assistant is silent from now on. Asking again changes nothing."""
    chat = await repository.lock_session(session, speaker, session_id)
    _check_active(chat)
    if chat.mode == "BOT":
        await _silence(session, chat, REQUESTED, now)
        chat.mode, chat.version = "WAITING_HUMAN", chat.version + 1
        fact = ChatHandoffRequested(session_id=chat.id, user_id=chat.user_id, reason=reason)
        await publish(session, fact, sequence=chat.version)
    return chat


async def take_over(session: WriteSession, session_id: UUID, agent_id: UUID, now: datetime) -> ChatSession:
    """The conversation is this agent's, also when another one had it."""
    chat = await repository.lock_any_session(session, session_id)
    _check_active(chat)
    if chat.agent_id != agent_id:
        await _silence(session, chat, ACCEPTED, now)
        chat.mode, chat.agent_id, chat.version = "HUMAN", agent_id, chat.version + 1
        fact = ChatHandoffAccepted(session_id=chat.id, user_id=chat.user_id, agent_id=agent_id)
        await publish(session, fact, sequence=chat.version)
    return chat


async def reply(
    session: WriteSession, session_id: UUID, agent_id: UUID, content: str, client_message_id: str | None, now: datetime
) -> ChatMessage:
    """Say something as the person who took over. The same `client_message_id` finds the same message again."""
    chat = await repository.lock_any_session(session, session_id)
    known = await repository.find_message_by_client_id(session, chat.id, client_message_id)
    if known:
        if (known.author_id, known.content) != (agent_id, content):
            raise ClientMessageIdReused
        return known
    _check_active(chat)
    if chat.agent_id != agent_id:
        raise NotTakenOver
    chat.last_seq += 1
    chat.message_count += 1
    chat.last_activity_at = now
    message = ChatMessage(
        id=new_id(),
        chat_session_id=chat.id,
        seq=chat.last_seq,
        role="ASSISTANT",
        author_id=agent_id,
        client_message_id=client_message_id,
        content=content,
        status="COMPLETE",
        citations=[],
        created_at=now,
        completed_at=now,
    )
    session.add(message)
    return message


async def release(session: WriteSession, session_id: UUID, agent_id: UUID) -> ChatSession:
    """Give the conversation back to the assistant. Raises NotTakenOver when another agent has it."""
    chat = await repository.lock_any_session(session, session_id)
    if chat.mode == "BOT":
        return chat
    if chat.agent_id not in {None, agent_id}:
        raise NotTakenOver
    await _give_back(session, chat, agent_id)
    return chat


async def give_back_silent(session: WriteSession, before: datetime) -> int:
    """Conversations in which nobody has said anything since then return to the assistant. Returns how many did."""
    silent = await repository.lock_silent_handovers(session, before)
    for chat in silent:
        await _give_back(session, chat, None)
    return len(silent)


async def _give_back(session: WriteSession, chat: ChatSession, agent_id: UUID | None) -> None:
    chat.mode, chat.agent_id, chat.version = "BOT", None, chat.version + 1
    fact = ChatHandoffReleased(session_id=chat.id, user_id=chat.user_id, agent_id=agent_id)
    await publish(session, fact, sequence=chat.version)


async def _silence(session: WriteSession, chat: ChatSession, reason: str, now: datetime) -> None:
    await session.execute(STOP_OPEN_ANSWER, {"session_id": chat.id, "reason": reason, "now": now})
    await session.refresh(chat)


def _check_active(chat: ChatSession) -> None:
    if not chat.is_active:
        raise SessionEnded
