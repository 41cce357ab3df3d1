"""HTTP bodies."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from services.chat.models import (
    MAX_CONTEXT_BYTES,
    ChatMessage,
    ChatSession,
    Feedback,
    KnownUser,
    UnansweredQuestion,
)

MAX_MESSAGE_CHARACTERS = 4000
Status = Literal["COMPLETE", "STREAMING", "STOPPED", "FAILED"]


def _storable(text: str) -> str:
    """Postgres stores no NUL in text."""
    if "\0" in text:
        raise ValueError("must not contain the character NUL")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must say something")
    return _storable(text)


def _small(context: dict[str, Any]) -> dict[str, Any]:
    """At most 16 KB of JSON that the database can hold."""
    try:
        written = json.dumps(context, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("must be plain JSON") from error
    if len(written) > MAX_CONTEXT_BYTES:
        raise ValueError(f"must be at most {MAX_CONTEXT_BYTES} bytes")
    if b"\\u0000" in written:
        raise ValueError("must not contain the character NUL")
    return context


Context = Annotated[dict[str, JsonValue], AfterValidator(_small)]
Locale = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,50}$")]
Mode = Literal["BOT", "WAITING_HUMAN", "HUMAN"]
Title = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]


class StartSession(BaseModel):
    model_config = ConfigDict(extra="forbid")

    context: Context = {}
    locale: Locale = "en"


class EditSession(BaseModel):
    """A JSON merge patch of the context (null removes a key), and the title."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    context: Context | None = None


class ClaimSession(BaseModel):
    model_config = ConfigDict(extra="forbid")

    session_token: str = Field(min_length=1, max_length=200)


class Ask(BaseModel):
    """`client_message_id` is the sender's own: sending it again finds the same pair and asks nothing twice."""

    model_config = ConfigDict(extra="forbid")

    client_message_id: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_storable)]
    content: Annotated[str, Field(max_length=MAX_MESSAGE_CHARACTERS), AfterValidator(_said)]
    on_busy: Literal["reject", "interrupt"] = "reject"


class AskForPerson(BaseModel):
    """`reason` is a code; what the matter is stands in the conversation."""

    model_config = ConfigDict(extra="forbid")

    reason: Code | None = None


class Reply(BaseModel):
    """What a person of the staff says. `client_message_id` as for questions."""

    model_config = ConfigDict(extra="forbid")

    content: Annotated[str, Field(max_length=MAX_MESSAGE_CHARACTERS), AfterValidator(_said)]
    client_message_id: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_storable)] | None = None


class GiveFeedback(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rating: Literal["up", "down"]
    reason: Code | None = None
    comment: Annotated[str, Field(max_length=2000), AfterValidator(_storable)] | None = None


class SessionRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    user_id: UUID | None
    title: str | None
    context: dict[str, Any]
    mode: Mode
    is_active: bool
    message_count: int
    created_at: datetime
    last_activity_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, session: ChatSession) -> "SessionRead":
        return cls.model_validate(session)


class StaffSessionRead(SessionRead):
    """With the name of who asks; null for visitors, and for users whom we have not heard of yet."""

    handle: str | None
    display_name: str | None

    @classmethod
    def named(cls, session: ChatSession, known: KnownUser | None) -> "StaffSessionRead":
        same = SessionRead.of(session).model_dump()
        return cls(**same, handle=known and known.handle, display_name=known and known.display_name)


class StartedSession(BaseModel):
    """`session_token` is shown this once, and only to visitors."""

    session: SessionRead
    session_token: str | None = None


class OneSession(BaseModel):
    session: SessionRead


class Citation(BaseModel):
    item_id: UUID
    question: str
    score: float


class FeedbackRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    rating: Literal["up", "down"]
    reason: str | None
    comment: str | None


class MessageRead(BaseModel):
    id: UUID
    session_id: UUID
    seq: int
    role: Literal["USER", "ASSISTANT", "SYSTEM"]
    content: str
    status: Status
    finish_reason: str | None
    error_code: str | None
    citations: list[Citation]
    feedback: FeedbackRead | None
    client_message_id: str | None
    reply_to: UUID | None
    author: Literal["user", "assistant", "person"]
    created_at: datetime
    completed_at: datetime | None

    @classmethod
    def of(cls, message: ChatMessage, feedback: Feedback | None = None) -> "MessageRead":
        same = ("id", "seq", "role", "content", "status", "finish_reason", "error_code", "client_message_id")
        return cls(
            **{name: getattr(message, name) for name in same},
            session_id=message.chat_session_id,
            citations=message.citations,
            feedback=FeedbackRead.model_validate(feedback) if feedback else None,
            reply_to=message.reply_to,
            author=_author(message),
            created_at=message.created_at,
            completed_at=message.completed_at,
        )


def _author(message: ChatMessage) -> Literal["user", "assistant", "person"]:
    """A person's words stand in the assistant's place, but never under its name."""
    if message.role == "USER":
        return "user"
    return "person" if message.author_id else "assistant"


class Exchange(BaseModel):
    """`assistant_message` is null while a person has the conversation: the assistant says nothing then."""

    user_message: MessageRead
    assistant_message: MessageRead | None


class UnansweredRead(BaseModel):
    """A question that the FAQ did not answer; `best_score` is how near its best item came."""

    model_config = ConfigDict(from_attributes=True)

    message_id: UUID
    question: str
    locale: str
    best_score: float | None
    created_at: datetime

    @classmethod
    def of(cls, question: UnansweredQuestion) -> "UnansweredRead":
        return cls.model_validate(question)
