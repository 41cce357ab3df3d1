"""What a FastAPI developer writes first: one app, one table, SQLAlchemy's async session, no gateway and no identity.

`/asgi/{id}` is the floor below: the same read without a framework or an ORM. Run as `python -m bench.bare URL PORT`.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import orjson
import uvicorn
from fastapi import Depends, FastAPI, Request
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.types import Receive, Scope, Send


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSONB}


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[UUID]
    words: Mapped[str]


class OutboxRow(Base):
    __tablename__ = "bare_outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    data: Mapped[dict[str, Any]]


class NoteBody(BaseModel):
    words: str


class NoteRead(BaseModel):
    id: UUID
    owner: UUID
    words: str


async def session_of(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(session_of)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = app.state.url
    engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"), pool_size=10)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    kwargs = {"autocommit": True, "row_factory": dict_row}
    async with AsyncConnectionPool(url, min_size=10, max_size=10, kwargs=kwargs) as app.state.pool:
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/notes", status_code=201)
async def write(body: NoteBody, session: Session) -> NoteRead:
    note = Note(id=uuid4(), owner=uuid4(), words=body.words)
    session.add(note)
    session.add(OutboxRow(type="note.written", data={"id": str(note.id), "at": datetime.now(UTC).isoformat()}))
    await session.commit()
    return NoteRead.model_validate(note, from_attributes=True)


@app.get("/notes/{note_id}")
async def read(note_id: UUID, session: Session) -> NoteRead:
    return NoteRead.model_validate(await session.get(Note, note_id), from_attributes=True)


async def asgi(scope: Scope, _receive: Receive, send: Send) -> None:
    query = "SELECT id, owner, words FROM notes WHERE id = %s"
    async with app.state.pool.connection() as connection:
        row = await (await connection.execute(query, (scope["path"].rpartition("/")[2],))).fetchone()
    body = orjson.dumps(row)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app.mount("/asgi", asgi)

if __name__ == "__main__":
    app.state.url = sys.argv[1]
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False)
