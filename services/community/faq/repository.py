"""Every SELECT of the FAQ."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Double, Row, Select, cast, func, select

from services.community.errors import FaqItemNotFound, UnknownCategory
from services.community.faq.models import DELETED, PUBLISHED, FaqCategory, FaqItem
from shared.database import ReadSession, WriteSession
from shared.pagination import after

RANKED = "rank"


async def list_categories(session: ReadSession) -> Sequence[FaqCategory]:
    statement = select(FaqCategory).order_by(FaqCategory.position, FaqCategory.slug)
    return (await session.scalars(statement)).all()


async def find_category(session: ReadSession, slug: str) -> FaqCategory | None:
    return await session.get(FaqCategory, slug)


async def lock_category(session: WriteSession, slug: str) -> FaqCategory:
    """Whoever changes the list of a category holds this lock."""
    category = await session.get(FaqCategory, slug, with_for_update=True, populate_existing=True)
    if category is None:
        raise UnknownCategory
    return category


async def list_items(
    session: ReadSession, category: str | None, locale: str | None, values: Sequence[Any] | None, limit: int
) -> Sequence[Row[Any]]:
    """Published items, category by category in the order of staff; rows of item, position."""
    position: ColumnElement[Any] = FaqCategory.position.label("position")
    items: Select[Any] = select(FaqItem, position).join(FaqCategory, FaqCategory.slug == FaqItem.category)
    statement = _published(items, category, locale)
    keys = [FaqCategory.position, FaqItem.category, FaqItem.order, FaqItem.id]
    rows: Sequence[Row[Any]] = (
        await session.execute(after(statement, keys, values, descending=False).limit(limit + 1))
    ).all()
    return rows


async def list_all_items(
    session: ReadSession, status: str | None, values: Sequence[Any] | None, limit: int
) -> Sequence[FaqItem]:
    """What staff work on, drafts too, newest first."""
    statement = select(FaqItem).where(FaqItem.status != DELETED)
    if status is not None:
        statement = statement.where(FaqItem.status == status)
    statement = after(statement, [FaqItem.id], values, descending=True)
    return (await session.scalars(statement.limit(limit + 1))).all()


async def search_items(
    session: ReadSession,
    words: str,
    category: str | None,
    locale: str | None,
    values: Sequence[Any] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Published items that match, best first; rows of item, rank. Any text is a valid query."""
    query = func.websearch_to_tsquery("english", words)
    rank = cast(func.ts_rank(FaqItem.tsv, query), Double)
    statement = _published(select(FaqItem, rank.label(RANKED)), category, locale).where(FaqItem.tsv.op("@@")(query))
    rows: Sequence[Row[Any]] = (
        await session.execute(after(statement, [rank, FaqItem.id], values, descending=True).limit(limit + 1))
    ).all()
    return rows


def _published(statement: Select[Any], category: str | None, locale: str | None) -> Select[Any]:
    statement = statement.where(FaqItem.status == PUBLISHED)
    if category is not None:
        statement = statement.where(FaqItem.category == category)
    return statement if locale is None else statement.where(FaqItem.locale == locale)


async def get_published(session: ReadSession, slug: str) -> FaqItem:
    statement = select(FaqItem).where(FaqItem.slug == slug, FaqItem.status == PUBLISHED)
    item = await session.scalar(statement)
    if item is None:
        raise FaqItemNotFound
    return item


async def lock_item(session: WriteSession, item_id: UUID) -> FaqItem:
    """The item whatever its status, unless it was deleted."""
    item = await session.get(FaqItem, item_id, with_for_update=True)
    if item is None or item.status == DELETED:
        raise FaqItemNotFound
    return item


async def find_item_by_slug(session: ReadSession, slug: str) -> FaqItem | None:
    return await session.scalar(select(FaqItem).where(FaqItem.slug == slug))


async def list_of_category(session: ReadSession, category: str) -> Sequence[FaqItem]:
    """All items that are not deleted, drafts too, in order."""
    statement = select(FaqItem).where(FaqItem.category == category, FaqItem.status != DELETED)
    return (await session.scalars(statement.order_by(FaqItem.order, FaqItem.id))).all()


async def find_last_order(session: ReadSession, category: str) -> int:
    statement = select(func.max(FaqItem.order)).where(FaqItem.category == category, FaqItem.status != DELETED)
    return await session.scalar(statement) or 0
