"""Everything that a user and the assistant said to each other, as lines of JSON."""

from collections.abc import AsyncIterator
from uuid import UUID

from services.chat import repository
from services.chat.errors import SessionNotFound
from services.chat.schemas import MessageRead, SessionRead
from services.chat.speaker import Speaker
from shared.database import Database

PAGE = 200


async def exported(database: Database, speaker: Speaker, user_id: UUID) -> AsyncIterator[bytes]:
    """A line `{"session": …}` for each conversation, oldest first, then one `{"message": …}` for each of its messages.

    No database session is held between pages, so a slow reader costs nothing; what is deleted meanwhile is left out.
    """
    async with database.read() as session:
        session_ids = await repository.list_session_ids(session, user_id)
    for session_id in session_ids:
        async for line in _conversation(database, speaker, session_id):
            yield line


async def _conversation(database: Database, speaker: Speaker, session_id: UUID) -> AsyncIterator[bytes]:
    try:
        async with database.read() as session:
            chat = SessionRead.of(await repository.get_session(session, speaker, session_id))
    except SessionNotFound:
        return
    yield b'{"session":%s}\n' % chat.model_dump_json().encode()
    last, rest = 0, True
    while rest:
        async with database.read() as session:
            found = await repository.list_messages(
                session, speaker, session_id, before=None, following=last, limit=PAGE
            )
        for message, feedback in found[:PAGE]:
            yield b'{"message":%s}\n' % MessageRead.of(message, feedback).model_dump_json().encode()
            last = message.seq
        rest = len(found) > PAGE
