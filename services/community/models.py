"""What the three packages share: the metadata, the columns every row has, and what is known of users."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Text, text
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
    """Whether a user may act here. `erased_at` is a tombstone: what is heard of them later is not kept."""

    __tablename__ = "user_standing"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    disabled_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]


def one_of(column: str, values: tuple[str, ...]) -> str:
    """A check that a column holds one of the words."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


attach_plumbing(Base.metadata)
