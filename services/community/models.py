"""What the three packages share: the metadata, the columns every row has, and what is known of users."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.database import new_metadata
from shared.events.tables import attach_plumbing


class Base(DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        str: Text,
        int: BigInteger,
        list[str]: ARRAY(Text),
    }


class Dated:
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Versioned:
    """`version` is bumped by each change that is told to others, and is the sequence of the event that tells it."""

    version: Mapped[int] = mapped_column(server_default=text("1"), default=1)


class Profile(Base):
    """A user as accounts last described them; `version` is the sequence of that event."""

    __tablename__ = "profiles"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    handle: Mapped[str] = mapped_column(index=True)
    display_name: Mapped[str]
    email_fingerprint: Mapped[str | None] = mapped_column(index=True)
    version: Mapped[int]


class Standing(Base):
    """What a user may do here. `erased_at` is a tombstone: what is heard of them later is not kept.

    Roles and plan are the newest that accounts and billing told; the versions are those of their events.
    """

    __tablename__ = "user_standing"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    disabled_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    # Moderators of the forum: no new words until then, or nothing written there at all.
    silenced_until: Mapped[datetime | None]
    banned_at: Mapped[datetime | None]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    roles_version: Mapped[int] = mapped_column(server_default=text("0"))
    is_paying: Mapped[bool] = mapped_column(server_default=text("false"))
    plan_version: Mapped[int] = mapped_column(server_default=text("0"))


class StreamEnd(Base):
    """An order to end the open streams of a user's session, or of all of them when `session_id` is null."""

    __tablename__ = "stream_ends"
    __table_args__ = (Index("stream_ends_user_id_ended_at_idx", "user_id", "ended_at"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    user_id: Mapped[UUID]
    session_id: Mapped[UUID | None]
    ended_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


def one_of(column: str, values: tuple[str, ...]) -> str:
    """A check that a column holds one of the words."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


attach_plumbing(Base.metadata)
