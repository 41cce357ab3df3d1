"""Two small services that stand for any two: one counts, the other tells. They exercise the plumbing alone."""

from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.contracts.community import ForumTopicCreated
from shared.database import Read, Write, WriteSession, new_metadata
from shared.errors import Conflict, NotFound
from shared.events.event import EventContext, on
from shared.events.outbox import publish
from shared.events.tables import attach_plumbing
from shared.idempotency import Idempotency
from shared.identity import Caller
from shared.ids import new_id
from shared.routing import Router, public, role, user
from shared.service import Service
from shared.settings import Settings

MIGRATIONS = Path(__file__).parent / "toy_migrations"

router = Router()


class Base(DeclarativeBase):
    metadata = new_metadata()


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[UUID]
    words: Mapped[str] = mapped_column(Text, unique=True)
    version: Mapped[int] = mapped_column(BigInteger, default=1)


class Effect(Base):
    """What a consumer did: `times` above one would be a repeated effect."""

    __tablename__ = "effects"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    times: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int] = mapped_column(BigInteger)


attach_plumbing(Base.metadata)


class NoteBody(BaseModel):
    words: str = Field(min_length=1, max_length=100)


class NoteRead(BaseModel):
    id: UUID
    words: str


@router.post("/v1/notes", access=user(scope="community:write"), status_code=201)
async def write_note(body: NoteBody, session: Write, caller: Caller, once: Idempotency):
    async def act() -> NoteRead:
        note = Note(id=new_id(), owner=caller.user_id, words=body.words, version=1)
        session.add(note)
        await tell(session, note)
        return NoteRead(id=note.id, words=note.words)

    return await once.respond(session, act, status=201, headers=lambda note: {"Location": f"/v1/notes/{note.id}"})


@router.get("/v1/notes/{note_id}", access=user(scope="community:read"))
async def read_note(note_id: UUID, session: Read, caller: Caller) -> NoteRead:
    note = await session.get(Note, note_id)
    if note is None or note.owner != caller.user_id:
        raise NotFound
    return NoteRead(id=note.id, words=note.words)


@router.get("/v1/notes-open", access=public)
async def read_open(session: Read) -> dict[str, int]:
    return {"notes": await session.scalar(text("SELECT count(*) FROM notes")) or 0}


@router.post("/v1/notes-broken", access=public)
async def break_down() -> None:
    raise RuntimeError("secret internals")


@router.post("/v1/notes-late", access=public)
async def fail_at_commit(session: Write) -> dict[str, str]:
    await session.execute(text("CREATE TEMP TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP"))
    await session.execute(text("INSERT INTO late VALUES (1), (1)"))
    return {"status": "it seemed to work"}


@router.get("/v1/notes-write-through-read", access=public)
async def write_through_read(session: Read) -> None:
    await session.execute(text("DELETE FROM notes"))


@router.post("/v1/notes-conflict", access=public)
async def conflict() -> None:
    raise Conflict("Twice is too often.")


@router.delete("/v1/notes-admin", access=role("admin"), status_code=204)
async def administer() -> None:
    """Only staff get here."""


@router.post("/v1/notes-fresh", access=user(fresh=True), status_code=204)
async def freshly() -> None:
    """Only a fresh login gets here."""


async def tell(session: WriteSession, note: Note) -> None:
    event = ForumTopicCreated(topic_id=note.id, user_id=note.owner, category="notes")
    await publish(session, event, sequence=note.version)


async def count_effect(session: WriteSession, event: ForumTopicCreated, context: EventContext) -> None:
    """Counts how often an event had its effect, and in which order a subject's events were handled."""
    values = {"key": f"{context.subject}:{context.sequence}", "position": context.sequence}
    await session.execute(
        text("""
            INSERT INTO effects (key, times, position) VALUES (:key, 1, :position)
            ON CONFLICT (key) DO UPDATE SET times = effects.times + 1
        """),
        values,
    )


def teller() -> Service:
    """Publishes; hears nothing."""
    return Service(
        name="community",
        paths=("/v1/notes*",),
        router=router,
        metadata=Base.metadata,
        migrations=MIGRATIONS,
        settings=ToySettings,
        publishes=(ForumTopicCreated,),
    )


def counter(handler=count_effect, **options) -> Service:
    """Hears; its handler can be replaced by one that fails."""
    return Service(
        name="chat",
        paths=("/v1/counts*",),
        router=Router(),
        metadata=Base.metadata,
        migrations=MIGRATIONS,
        settings=ToySettings,
        subscribes=(on(ForumTopicCreated, handler, consumer="counts", **options),),
    )


class ToySettings(Settings):
    """Nothing beyond what every service needs."""
