"""The FAQ as the assistant knows it: an index in memory that follows the projection."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import TypeVar

import numpy as np
from sqlalchemy.dialects.postgresql import insert

from services.chat import repository
from services.chat.models import Embedding
from services.chat.retrieval.embedding import MODEL, Encoder, Matrix, ModelUnavailable, load_encoder
from services.chat.retrieval.index import Finding, Index, texts_of
from shared.database import Database
from shared.errors import Unavailable
from shared.logging import get_logger

log = get_logger(__name__)

Result = TypeVar("Result")

# Small batches, so that a question never waits long for the thread and a stop keeps what was made.
EMBEDDED_AT_ONCE = 32


class Closed(Exception):
    """The service ends; nothing is embedded any more."""


class Faq:
    """Embedding happens in one thread of its own: it is CPU bound, and numpy lets the event loop run meanwhile."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chat-embedding")
        self._encoder: asyncio.Future[Encoder] | None = None
        self._index: Index | None = None
        self._state: tuple[int, int] | None = None
        self._renewing = asyncio.Lock()
        self._is_closed = False
        self._warming: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to load the model and the index. The start waits for neither: the first question does."""
        self._encoder = asyncio.ensure_future(self._in_thread(load_encoder))
        self._warming = asyncio.create_task(self._warm(), name="chat-warming")

    async def close(self) -> None:
        """End after the batch that is being embedded. The warming is not cancelled: see `Assistant.running`."""
        self._is_closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._warming:
            await asyncio.gather(self._warming, return_exceptions=True)

    async def find(self, question: str, locale: str) -> Finding:
        """What the FAQ has to say. Raises Unavailable without a model."""
        index = await self._renewed()
        async with self._database.read() as session:
            by_words = await repository.list_items_by_words(session, question)
        encoder = await self._loaded()
        return await self._in_thread(lambda: index.search(encoder.encode([question])[0], by_words, locale=locale))

    async def _warm(self) -> None:
        """Without a model chat still serves; only answers fail, and say so."""
        try:
            await self._renewed()
        except Unavailable as error:
            log.error("assistant_unavailable", reason=str(error.__cause__))  # noqa: TRY400 - the reason says it all
        except Closed:
            log.info("assistant_warming_ended")
        except Exception:
            log.exception("assistant_not_warmed")

    async def _loaded(self) -> Encoder:
        if self._encoder is None:
            raise Unavailable("The assistant has no model here.")
        try:
            return await asyncio.shield(self._encoder)
        except ModelUnavailable as error:
            raise Unavailable("The assistant has no model here.") from error

    async def _renewed(self) -> Index:
        """The index of what is published now."""
        await self._loaded()
        async with self._renewing:
            async with self._database.read() as session:
                state = await repository.read_faq_state(session)
                if self._index is not None and state == self._state:
                    return self._index
                items = await repository.list_published_items(session)
            vectors = await self._vectors_of(texts_of(items))
            self._index = await self._in_thread(lambda: Index(items, vectors))
            self._state = state
            return self._index

    async def _vectors_of(self, texts: Sequence[str]) -> dict[str, Matrix]:
        """The texts with their vectors; what is made here for the first time is kept for every later start."""
        hashes = {text: sha256(text.encode()).digest() for text in texts}
        async with self._database.read() as session:
            known = await repository.list_embeddings(session, MODEL, list(hashes.values()))
        await self._embed({text: hashes[text] for text in texts if hashes[text] not in known}, known)
        return {text: np.frombuffer(known[hashes[text]], "<f4") for text in texts}

    async def _embed(self, missing: dict[str, bytes], known: dict[bytes, bytes]) -> None:
        encoder, texts = await self._loaded(), list(missing)
        for start in range(0, len(texts), EMBEDDED_AT_ONCE):
            batch = texts[start : start + EMBEDDED_AT_ONCE]
            made = await self._in_thread(partial(encoder.encode, batch))
            fresh = {missing[text]: vector.astype("<f4").tobytes() for text, vector in zip(batch, made, strict=True)}
            rows = [{"model": MODEL, "text_hash": key, "vector": vector} for key, vector in fresh.items()]
            async with self._database.write() as session:
                await session.execute(insert(Embedding).values(rows).on_conflict_do_nothing())
            known.update(fresh)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        if self._is_closed:
            raise Closed
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
