"""What users used, by period, what of it their grants paid for, and who is to be forgotten."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from services.jobs.models import Base
from shared.grants import attach_grant_draws


class UsageCounter(Base):
    """Use of one metric in one period; `reserved` is held by jobs that have not ended. A new period is a new row."""

    __tablename__ = "usage_counters"
    __table_args__ = (CheckConstraint("used >= 0 AND reserved >= 0", name="never_negative"),)

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    period_start: Mapped[datetime] = mapped_column(primary_key=True)
    period_end: Mapped[datetime]
    used: Mapped[int] = mapped_column(server_default=text("0"))
    reserved: Mapped[int] = mapped_column(server_default=text("0"))
    lim: Mapped[int]
    notices: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    drawn: Mapped[int] = mapped_column(server_default=text("0"))
    plan_lim: Mapped[int] = mapped_column(server_default=text("0"))


attach_grant_draws(Base.metadata)


class Erasure(Base):
    """A user who is to be forgotten, and the tombstone afterwards: what is heard of them later is not kept."""

    __tablename__ = "erasures"
    __table_args__ = (Index("erasures_unfinished_idx", "requested_at", postgresql_where=text("finished_at IS NULL")),)

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    request_id: Mapped[UUID]
    requested_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
