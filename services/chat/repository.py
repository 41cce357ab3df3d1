"""Every SELECT. `get_` raises, `find_` may be None, `list_` pages, `lock_` is FOR UPDATE."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, text

from services.chat.errors import MessageNotFound, SessionNotFound
from services.chat.models import (
    ChatMessage,
    ChatSession,
    Embedding,
    Entitlement,
    FaqEntry,
    Feedback,
    KnownUser,
    UnansweredQuestion,
)
from services.chat.retrieval.index import Item
from services.chat.speaker import Speaker
from shared.database import ReadSession, WriteSession
from shared.pagination import after

# Any word of the question may match: a paraphrase shares few of them, and the ranking sorts out the rest.
_BY_WORDS = text("""
    SELECT item_id FROM faq_entries,
           to_tsquery('english', array_to_string(tsvector_to_array(to_tsvector('english', :question)), ' | ')) wanted
     WHERE is_published AND words @@ wanted ORDER BY ts_rank_cd(words, wanted) DESC, item_id LIMIT 10
""")
_FAQ_STATE = text("SELECT count(*), coalesce(sum(version), 0) FROM faq_entries")


def _may_open(speaker: Speaker) -> ColumnElement[bool]:
    """A visitor's token opens a conversation only as long as nobody has claimed it."""
    by_token = and_(ChatSession.user_id.is_(None), ChatSession.session_token == speaker.token)
    if speaker.user_id is None:
        return by_token
    return or_(ChatSession.user_id == speaker.user_id, by_token)


def _may_read(speaker: Speaker) -> ColumnElement[bool]:
    """Whoever may open a conversation, and the person who has taken it over, as long as they are of the staff."""
    if not speaker.is_staff:
        return _may_open(speaker)
    return or_(_may_open(speaker), ChatSession.agent_id == speaker.user_id)


async def get_session(session: ReadSession, speaker: Speaker, session_id: UUID) -> ChatSession:
    found = await session.scalar(select(ChatSession).where(ChatSession.id == session_id, _may_read(speaker)))
    if found is None:
        raise SessionNotFound
    return found


async def lock_session(session: WriteSession, speaker: Speaker, session_id: UUID) -> ChatSession:
    statement = select(ChatSession).where(ChatSession.id == session_id, _may_open(speaker))
    found = await session.scalar(statement.with_for_update(key_share=True))
    if found is None:
        raise SessionNotFound
    return found


async def lock_any_session(session: WriteSession, session_id: UUID) -> ChatSession:
    """Anybody's: for staff only."""
    statement = select(ChatSession).where(ChatSession.id == session_id)
    found = await session.scalar(statement.with_for_update(key_share=True))
    if found is None:
        raise SessionNotFound
    return found


async def lock_silent_handovers(session: WriteSession, before: datetime) -> Sequence[ChatSession]:
    """Some of the conversations that people have, or wait for, and in which nothing was said since then."""
    statement = select(ChatSession).where(
        ChatSession.mode != "BOT", ChatSession.is_active, ChatSession.last_activity_at < before
    )
    statement = statement.order_by(ChatSession.last_activity_at).limit(100)
    return (await session.scalars(statement.with_for_update(key_share=True, skip_locked=True))).all()


async def find_session_by_token(session: ReadSession, token: bytes) -> ChatSession | None:
    return await session.scalar(
        select(ChatSession).where(ChatSession.session_token == token, ChatSession.user_id.is_(None))
    )


async def find_latest_session(session: ReadSession, user_id: UUID) -> ChatSession | None:
    """The user's conversation that is still going on, the newest first."""
    statement = select(ChatSession).where(ChatSession.user_id == user_id, ChatSession.is_active)
    return await session.scalar(statement.order_by(ChatSession.last_activity_at.desc(), ChatSession.id.desc()).limit(1))


async def find_claimed_session(session: ReadSession, user_id: UUID, token: bytes) -> ChatSession | None:
    """The conversation that this user has claimed with this token before."""
    return await session.scalar(
        select(ChatSession).where(ChatSession.claimed_token == token, ChatSession.user_id == user_id)
    )


async def list_sessions(
    session: ReadSession, user_id: UUID, *, words: str | None, limit: int, position: list[Any] | None
) -> Sequence[ChatSession]:
    """One more than `limit`. `words` is searched for in titles and in what was said."""
    statement = select(ChatSession).where(ChatSession.user_id == user_id)
    if words:
        said = select(ChatMessage.id).where(
            ChatMessage.chat_session_id == ChatSession.id, ChatMessage.content.icontains(words, autoescape=True)
        )
        statement = statement.where(or_(ChatSession.title.icontains(words, autoescape=True), said.exists()))
    columns = (ChatSession.last_activity_at, ChatSession.id)
    return (await session.scalars(after(statement, columns, position, descending=True).limit(limit + 1))).all()


async def list_all_sessions(
    session: ReadSession, *, mode: str | None, limit: int, position: list[Any] | None
) -> Sequence[ChatSession]:
    """Everybody's, for staff. Whoever waits for a person comes first come, first served; others the latest first."""
    statement = select(ChatSession)
    if mode:
        statement = statement.where(ChatSession.mode == mode, ChatSession.is_active)
    columns = (ChatSession.last_activity_at, ChatSession.id)
    page = after(statement, columns, position, descending=mode != "WAITING_HUMAN")
    return (await session.scalars(page.limit(limit + 1))).all()


async def find_names(session: ReadSession, user_ids: set[UUID]) -> dict[UUID, KnownUser]:
    found = await session.scalars(select(KnownUser).where(KnownUser.user_id.in_(user_ids)))
    return {known.user_id: known for known in found.all()}


async def lock_session_ids(session: WriteSession, user_id: UUID) -> Sequence[UUID]:
    """All of a user's, oldest first, locked together: whoever locks them one by one between counting their use waits
    for an ask that counts its own."""
    statement = select(ChatSession.id).where(ChatSession.user_id == user_id)
    ordered = statement.order_by(ChatSession.created_at, ChatSession.id)
    return (await session.scalars(ordered.with_for_update())).all()


async def list_session_ids(session: ReadSession, user_id: UUID) -> Sequence[UUID]:
    """All of a user's, oldest first."""
    statement = select(ChatSession.id).where(ChatSession.user_id == user_id)
    return (await session.scalars(statement.order_by(ChatSession.created_at, ChatSession.id))).all()


def _messages(allowed: ColumnElement[bool]) -> Select[ChatMessage, Feedback]:
    statement = select(ChatMessage, Feedback).join(ChatSession, ChatSession.id == ChatMessage.chat_session_id)
    return statement.outerjoin(Feedback, Feedback.message_id == ChatMessage.id).where(allowed)


async def get_message(session: ReadSession, speaker: Speaker, message_id: UUID) -> tuple[ChatMessage, Feedback | None]:
    found = (await session.execute(_messages(_may_open(speaker)).where(ChatMessage.id == message_id))).one_or_none()
    if found is None:
        raise MessageNotFound
    return found[0], found[1]


async def get_any_message(session: ReadSession, message_id: UUID) -> tuple[ChatMessage, Feedback | None]:
    """Anybody's: for whoever has just written it, even if somebody else claims the conversation meanwhile. Raises
    MessageNotFound when it was deleted meanwhile."""
    found = (await session.execute(_messages(ChatMessage.id == message_id))).one_or_none()
    if found is None:
        raise MessageNotFound
    return found[0], found[1]


async def find_message_by_client_id(
    session: ReadSession, session_id: UUID, client_message_id: str | None
) -> ChatMessage | None:
    if client_message_id is None:
        return None
    statement = select(ChatMessage).where(ChatMessage.chat_session_id == session_id)
    return await session.scalar(statement.where(ChatMessage.client_message_id == client_message_id))


async def list_messages(
    session: ReadSession, speaker: Speaker, session_id: UUID, *, before: int | None, following: int | None, limit: int
) -> Sequence[tuple[ChatMessage, Feedback | None]]:
    """One more than `limit`: the newest first, unless `following` asks for what came after a seq, oldest first."""
    statement = _messages(_may_read(speaker)).where(ChatMessage.chat_session_id == session_id)
    if before is not None:
        statement = statement.where(ChatMessage.seq < before)
    if following is not None:
        statement = statement.where(ChatMessage.seq > following)
    order = ChatMessage.seq.desc() if following is None else ChatMessage.seq.asc()
    return [(row[0], row[1]) for row in await session.execute(statement.order_by(order).limit(limit + 1))]


async def list_unanswered(
    session: ReadSession, *, limit: int, position: list[Any] | None
) -> Sequence[UnansweredQuestion]:
    columns = (UnansweredQuestion.created_at, UnansweredQuestion.message_id)
    statement = after(select(UnansweredQuestion), columns, position, descending=True)
    return (await session.scalars(statement.limit(limit + 1))).all()


async def find_entitlement(session: ReadSession, user_id: UUID) -> Entitlement | None:
    return await session.get(Entitlement, user_id)


async def lock_entitlement(session: WriteSession, user_id: UUID) -> Entitlement | None:
    return await session.get(Entitlement, user_id, with_for_update=True)


async def list_published_items(session: ReadSession) -> list[Item]:
    entries = await session.scalars(select(FaqEntry).where(FaqEntry.is_published).order_by(FaqEntry.item_id))
    return [Item(entry.item_id, entry.version, entry.locale, entry.question, entry.answer) for entry in entries]


async def list_items_by_words(session: ReadSession, question: str) -> list[UUID]:
    """The full-text ranking, best first."""
    return list(await session.scalars(_BY_WORDS, {"question": question}))


async def read_faq_state(session: ReadSession) -> tuple[int, int]:
    """Changes with every event about the FAQ, since each one raises a version."""
    row = (await session.execute(_FAQ_STATE)).one()
    return int(row[0]), int(row[1])


async def list_embeddings(session: ReadSession, model: str, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """Those of the vectors that are known, by the hash of their text."""
    wanted = select(Embedding.text_hash, Embedding.vector).where(Embedding.model == model)
    return {row[0]: row[1] for row in await session.execute(wanted.where(Embedding.text_hash.in_(hashes)))}
