"""What chat publishes: facts about conversations, never what was said."""

from uuid import UUID

from shared.events.event import Event

CHAT = ("chat",)
SESSION = "chat_session/{session_id}"


class _ChatFact(Event):
    session_id: UUID
    user_id: UUID | None = None
    message_id: UUID | None = None


class ChatSessionStarted(_ChatFact, type="chat.session_started", publishers=CHAT, subject=SESSION):
    """A visitor or a user opened a conversation."""

    locale: str
    anonymous: bool


class ChatSessionClaimed(_ChatFact, type="chat.session_claimed", publishers=CHAT, subject=SESSION):
    """A visitor signed in and took their conversation along."""


class ChatSessionEnded(_ChatFact, type="chat.session_ended", publishers=CHAT, subject=SESSION):
    """A conversation ended."""

    reason: str
    message_count: int


class ChatMessageCompleted(_ChatFact, type="chat.message_completed", publishers=CHAT, subject=SESSION):
    """The assistant finished an answer; `answered` is false when it did not know."""

    provider: str
    model: str
    answered: bool
    citations: int


class ChatFeedbackGiven(_ChatFact, type="chat.feedback_given", publishers=CHAT, subject=SESSION):
    """Somebody judged an answer; `reason` is a code, their comment stays in chat."""

    rating: str
    reason: str | None = None


class ChatHandoffRequested(_ChatFact, type="chat.handoff_requested", publishers=CHAT, subject=SESSION):
    """The conversation waits for a person; `reason` is a code, never what was said."""

    reason: str | None = None


class ChatHandoffAccepted(_ChatFact, type="chat.handoff_accepted", publishers=CHAT, subject=SESSION):
    """A person took over; the assistant is silent now."""

    agent_id: UUID


class ChatHandoffReleased(_ChatFact, type="chat.handoff_released", publishers=CHAT, subject=SESSION):
    """The person handed the conversation back."""

    agent_id: UUID | None = None
