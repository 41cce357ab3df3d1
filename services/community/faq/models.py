"""The FAQ's tables."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Integer, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from services.community.models import Base, Dated, Versioned, one_of

DRAFT, PUBLISHED, DELETED = "draft", "published", "deleted"
STATUSES = (DRAFT, PUBLISHED, DELETED)
# Room to put an item between two others without touching them.
ORDER_GAP = 1024
SEARCHABLE_ITEM = (
    "setweight(to_tsvector('english'::regconfig, question), 'A')"
    " || setweight(to_tsvector('english'::regconfig, answer), 'B')"
)


class FaqCategory(Base):
    """`version` counts changes of its list of items: the ETag that reordering asks for."""

    __tablename__ = "faq_categories"

    slug: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    position: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(server_default=text("1"), default=1)


class FaqItem(Dated, Versioned, Base):
    __tablename__ = "faq_items"
    __table_args__ = (
        CheckConstraint(one_of("status", STATUSES), "status"),
        UniqueConstraint("slug"),
        Index("faq_items_category_order_idx", "category", "order", "id"),
        Index("faq_items_tsv_idx", "tsv", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    question: Mapped[str]
    answer: Mapped[str]
    answer_html: Mapped[str]
    category: Mapped[str] = mapped_column(ForeignKey("faq_categories.slug"))
    order: Mapped[int]
    locale: Mapped[str]
    slug: Mapped[str]
    status: Mapped[str]
    helpful_yes: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    helpful_no: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    published_at: Mapped[datetime | None]
    updated_by: Mapped[UUID | None]
    tsv: Mapped[str] = mapped_column(TSVECTOR, Computed(SEARCHABLE_ITEM, persisted=True), deferred=True)


class FaqFeedback(Base):
    """One answer per voter and item to "was this helpful?"; the voter is a keyed hash."""

    __tablename__ = "faq_feedback"

    item_id: Mapped[UUID] = mapped_column(ForeignKey("faq_items.id", ondelete="CASCADE"), primary_key=True)
    voter: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    helpful: Mapped[bool]
    updated_at: Mapped[datetime]
