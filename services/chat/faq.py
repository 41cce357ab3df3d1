"""The FAQ as the assistant knows it: an index in memory that follows the projection."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from services.chat import repository
from services.chat.retrieval.embedding import Encoder, ModelUnavailable, load_encoder
from services.chat.retrieval.index import Finding, Index
from shared.database import Database
from shared.errors import Unavailable
from shared.logging import get_logger

log = get_logger(__name__)

Result = TypeVar("Result")


class Faq:
    """Embedding work happens in one thread of its own, since it is CPU bound and numpy lets the event loop run."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chat-embedding")
        self._encoder: Encoder | None = None
        self._index: Index | None = None
        self._state: tuple[int, int] | None = None
        self._renewing = asyncio.Lock()
        self._warming: asyncio.Task[Index] | None = None

    async def open(self) -> None:
        """Load the model, and the index in the background: the first question waits for it, the start does not.
        Without the model chat still serves; only answers fail, and say so."""
        try:
            self._encoder = await self._in_thread(load_encoder)
            self._warming = asyncio.create_task(self._renewed())
        except ModelUnavailable as error:
            log.error("assistant_unavailable", reason=str(error))  # noqa: TRY400 - the reason says it all

    async def close(self) -> None:
        if self._warming:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def find(self, question: str, locale: str) -> Finding:
        """What the FAQ has to say. Raises Unavailable without a model."""
        index = await self._renewed()
        async with self._database.read() as session:
            by_words = await repository.list_items_by_words(session, question)
        return await self._in_thread(lambda: index.search(question, by_words, locale=locale))

    async def _renewed(self) -> Index:
        """The index of what is published now; items that did not change keep their vectors."""
        encoder = self._encoder
        if encoder is None:
            raise Unavailable("The assistant has no model here.")
        async with self._renewing:
            async with self._database.read() as session:
                state = await repository.read_faq_state(session)
                if self._index is not None and state == self._state:
                    return self._index
                items = await repository.list_published_items(session)
            previous = self._index
            self._index = await self._in_thread(lambda: Index(encoder, items, previous))
            self._state = state
            return self._index

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
