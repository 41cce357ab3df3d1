"""HTTP in: what is said, and how it is read."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query, Response

from services.chat import repository
from services.chat.parts import ChatParts, Parts
from services.chat.schemas import Ask, Exchange, GiveFeedback, MessageRead
from services.chat.speaker import Reader, Speaker, Writer
from services.chat.streams import SSE_CONTENT, follow, look, position_in, tell_nothing_follows
from services.chat.usecases import messages
from services.chat.usecases.messages import Asked, Question
from shared.database import Read, Write
from shared.errors import BadRequest
from shared.pagination import Limit, Page
from shared.routing import Router, visitor
from shared.sse import EventStream

router = Router()

MAX_SEQ = 2**53
# Who asks with an API key that may not see jobs is told of none.
JOBS_SCOPE = "jobs:read"
ACCEPTED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The answer as it is written, when it was asked for.", "content": SSE_CONTENT},
    202: {"model": Exchange, "description": "The question is stored; the answer is being written."},
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "What is missing, up to one terminal event.", "content": SSE_CONTENT},
    204: {"description": "Everything has been told; do not come back."},
}
Accept = Annotated[str, Header(max_length=1000)]
Seq = Annotated[int | None, Query(ge=0, le=MAX_SEQ)]
LastEventId = Annotated[str | None, Header(max_length=100)]


@router.post("/v1/chat/sessions/{session_id}/messages", access=visitor, status_code=202, responses=ACCEPTED)
async def ask(session_id: UUID, body: Ask, speaker: Writer, parts: Parts, accept: Accept = "*/*") -> Response:
    """Say something. The same `client_message_id` finds the same pair again, however often it is sent."""
    question = Question(body.client_message_id, body.content, body.on_busy)
    now = parts.runtime.clock.now()
    asked = await messages.ask(parts.runtime.database, parts.settings, speaker, session_id, question, now)
    return await _begin(parts, speaker, asked, accept)


@router.post("/v1/chat/messages/{message_id}/regenerate", access=visitor, status_code=202, responses=ACCEPTED)
async def ask_again(message_id: UUID, speaker: Writer, parts: Parts, accept: Accept = "*/*") -> Response:
    """Another answer to the same question; the first one stays in the history."""
    async with parts.runtime.database.read() as session:
        answer, _ = await repository.get_message(session, speaker, message_id)
    now = parts.runtime.clock.now()
    asked = await messages.ask_again(parts.runtime.database, parts.settings, speaker, answer, now)
    return await _begin(parts, speaker, asked, accept)


async def _begin(parts: ChatParts, speaker: Speaker, asked: Asked, accept: str) -> Response:
    """Both messages are committed here: the answer is written in the background, whoever reads it."""
    answer_id = asked.assistant_message
    if asked.lease and answer_id:
        parts.assistant.begin(answer_id, asked.lease, speaker.id_for(JOBS_SCOPE))
    async with parts.runtime.database.read() as session:
        question = MessageRead.of(*await repository.get_any_message(session, asked.user_message))
        answer = MessageRead.of(*await repository.get_any_message(session, answer_id)) if answer_id else None
    exchange = Exchange(user_message=question, assistant_message=answer)
    if "text/event-stream" not in accept:
        return Response(exchange.model_dump_json(), 202, media_type="application/json")
    if answer_id is None:
        return EventStream(tell_nothing_follows(exchange))
    return EventStream(follow(parts, speaker, answer_id, 0, opening=exchange))


@router.get("/v1/chat/sessions/{session_id}/messages", access=visitor)
async def list_messages(
    session_id: UUID, speaker: Reader, session: Read, before: Seq = None, after: Seq = None, limit: Limit = 50
) -> Page[MessageRead]:
    """The history, always oldest first: the newest page, the page before a `seq`, or the page after one.
    `next_cursor` is the `seq` to go on from in the same direction."""
    if before is not None and after is not None:
        raise BadRequest("Give before or after, not both.")
    await repository.get_session(session, speaker, session_id)
    found = await repository.list_messages(session, speaker, session_id, before=before, following=after, limit=limit)
    shown = [MessageRead.of(*row) for row in found[:limit]]
    more = str(shown[-1].seq) if len(found) > limit else None
    return Page(items=shown if after is not None else shown[::-1], next_cursor=more)


@router.get("/v1/chat/messages/{message_id}", access=visitor)
async def read_message(message_id: UUID, speaker: Reader, session: Read) -> MessageRead:
    return MessageRead.of(*await repository.get_message(session, speaker, message_id))


@router.get("/v1/chat/messages/{message_id}/stream", access=visitor, responses=STREAM, response_class=EventStream)
async def resume_stream(
    message_id: UUID, speaker: Reader, parts: Parts, after: Seq = None, last_event_id: LastEventId = None
) -> Response:
    """The answer from where the reader stopped (`Last-Event-ID`, or `after` as a number). An answer that is over is
    told by its terminal event alone, unless the reader says where it stopped."""
    async with parts.runtime.database.read() as session:
        message, _ = await repository.get_message(session, speaker, message_id)
    position = position_in(message_id, last_event_id)
    position = after if position is None else position
    tail = await look(parts, speaker, message_id, position or 0)
    is_over = message.status != "STREAMING"
    if is_over and tail and position is not None and 0 < tail.last < position:
        return Response(status_code=204)
    start = MAX_SEQ if is_over and position is None else position or 0
    return EventStream(follow(parts, speaker, message_id, start))


@router.post("/v1/chat/messages/{message_id}/stop", access=visitor)
async def stop_answer(message_id: UUID, speaker: Writer, session: Write, parts: Parts) -> MessageRead:
    """End the answer and keep its part, as STOPPED. Stopping what has ended changes nothing."""
    await messages.stop_answer(session, speaker, message_id, parts.runtime.clock.now())
    session.after_commit(lambda: parts.announcements.tell(message_id))
    return await _read_again(session, speaker, message_id)


@router.post("/v1/chat/messages/{message_id}/feedback", access=visitor)
async def give_feedback(
    message_id: UUID, body: GiveFeedback, speaker: Writer, session: Write, parts: Parts
) -> MessageRead:
    """Judge an answer; a second judgement replaces the first."""
    await messages.give_feedback(session, speaker, message_id, body.model_dump(), parts.runtime.clock.now())
    return await _read_again(session, speaker, message_id)


async def _read_again(session: Write, speaker: Speaker, message_id: UUID) -> MessageRead:
    session.expire_all()
    return MessageRead.of(*await repository.get_message(session, speaker, message_id))
