"""Events to publish, and handlers that record what they did or misbehave on demand."""

import asyncio
from uuid import UUID

from sqlalchemy import text

from shared.contracts.community import ForumTopicCreated
from shared.ids import new_id


def opened(topic_id: UUID | None = None) -> ForumTopicCreated:
    return ForumTopicCreated(topic_id=topic_id or new_id(), user_id=new_id(), category="tests")


def story(length: int, topic_id: UUID | None = None) -> list[tuple[ForumTopicCreated, int]]:
    """Events of one subject, in sequence."""
    topic_id = topic_id or new_id()
    return [(opened(topic_id), sequence) for sequence in range(1, length + 1)]


class Recorder:
    """A handler that writes down, in its transaction, each event it handled; `failures` are raised first."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.attempts = 0
        self.contexts: list = []
        self._called = asyncio.Event()

    async def until(self, attempts: int) -> None:
        """Wait for so many attempts."""
        async with asyncio.timeout(10):
            while self.attempts < attempts:
                self._called.clear()
                await self._called.wait()

    async def __call__(self, session, event, context) -> None:
        self.attempts += 1
        self.contexts.append(context)
        self._called.set()
        values = {"key": f"{context.subject}:{context.sequence}", "position": context.sequence}
        await session.execute(
            text("""
                INSERT INTO effects (key, times, position) VALUES (:key, 1, :position)
                ON CONFLICT (key) DO UPDATE SET times = effects.times + 1
            """),
            values,
        )
        if self.failures:
            raise self.failures.pop(0)


EFFECTS = "SELECT key, times, position FROM effects ORDER BY ctid"
