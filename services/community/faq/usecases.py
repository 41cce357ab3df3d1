"""What staff do with the FAQ, and what readers think of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.community.errors import EditedMeanwhile, FaqItemNotFound, IncompleteOrder
from services.community.faq import repository
from services.community.faq.models import DELETED, ORDER_GAP, PUBLISHED, FaqCategory, FaqItem
from services.community.markdown import TextTooLong
from services.community.text import rendered, slug_of
from shared.contracts.community import FaqItemPublished, FaqItemUnpublished
from shared.database import WriteSession
from shared.events.envelope import EventTooLarge
from shared.events.outbox import publish
from shared.ids import new_id

ANSWER_LENGTH = 20_000
# Words that are routes under /v1/faq and so can't be an item's address.
RESERVED_SLUGS = frozenset({"categories"})


@dataclass(frozen=True, slots=True)
class Question:
    """An item as staff write it. `order` None puts it behind the others of its category."""

    question: str
    answer: str
    category: str
    locale: str = "en"
    status: str = PUBLISHED
    order: int | None = None
    by: UUID | None = None


async def add_category(session: WriteSession, slug: str, name: str, position: int) -> FaqCategory:
    """The category, made if it isn't there."""
    known = await repository.find_category(session, slug)
    if known is not None:
        return known
    category = FaqCategory(slug=slug, name=name, position=position, version=1)
    session.add(category)
    await session.flush()
    return category


async def keep_category(session: WriteSession, slug: str, name: str, position: int) -> FaqCategory:
    """The category with this name and position, made if it isn't there."""
    category = await add_category(session, slug, name, position)
    category.name, category.position = name, position
    return category


async def add_item(session: WriteSession, wanted: Question, now: datetime) -> FaqItem:
    """Add an item; a published one reaches the assistant at once. Raises UnknownCategory."""
    category = await repository.lock_category(session, wanted.category)
    item_id = new_id()
    item = FaqItem(
        id=item_id,
        question=wanted.question,
        answer=wanted.answer,
        answer_html=(await rendered(wanted.answer, ANSWER_LENGTH)).html,
        category=category.slug,
        order=wanted.order if wanted.order is not None else await _behind_the_last(session, category.slug),
        locale=wanted.locale,
        slug=await _free_slug(session, wanted.question, item_id),
        status=wanted.status,
        helpful_yes=0,
        helpful_no=0,
        version=1,
        published_at=now if wanted.status == PUBLISHED else None,
        updated_by=wanted.by,
        created_at=now,
        updated_at=now,
    )
    session.add(item)
    category.version += 1
    if item.status == PUBLISHED:
        await _tell(session, FaqItemPublished, item)
    return item


async def _behind_the_last(session: WriteSession, category: str) -> int:
    return await repository.find_last_order(session, category) + ORDER_GAP


async def _free_slug(session: WriteSession, question: str, item_id: UUID) -> str:
    slug = slug_of(question)
    taken = slug in RESERVED_SLUGS or await repository.find_item_by_slug(session, slug) is not None
    return f"{slug}-{item_id.hex[-8:]}" if taken else slug


async def edit_item(
    session: WriteSession, item_id: UUID, changes: dict[str, Any], version: int, by: UUID, now: datetime
) -> FaqItem:
    """Change fields of an item as it was at `version`. Raises EditedMeanwhile when it has changed since."""
    item = await repository.lock_item(session, item_id)
    if item.version != version:
        raise EditedMeanwhile
    was_public, moved = item.status == PUBLISHED, changes.get("category", item.category) != item.category
    if moved or "status" in changes or "order" in changes:
        await _count_change_of_lists(session, {item.category, changes.get("category", item.category)})
    if moved and changes.get("order") is None:
        changes = {**changes, "order": await _behind_the_last(session, changes["category"])}
    for name, value in changes.items():
        setattr(item, name, value)
    if "answer" in changes:
        item.answer_html = (await rendered(item.answer, ANSWER_LENGTH)).html
    item.version, item.updated_at, item.updated_by = item.version + 1, now, by
    await _tell_change(session, item, was_public=was_public, now=now)
    return item


async def _tell_change(session: WriteSession, item: FaqItem, *, was_public: bool, now: datetime) -> None:
    if item.status == PUBLISHED:
        item.published_at = item.published_at or now
        await _tell(session, FaqItemPublished, item)
    elif was_public:
        await _tell(session, FaqItemUnpublished, item)


async def delete_item(session: WriteSession, item_id: UUID, by: UUID, now: datetime) -> None:
    """Take an item away for good; its row stays as a record, unseen."""
    item = await repository.lock_item(session, item_id)
    was_public = item.status == PUBLISHED
    await _count_change_of_lists(session, {item.category})
    item.status, item.version, item.updated_at, item.updated_by = DELETED, item.version + 1, now, by
    await _tell_change(session, item, was_public=was_public, now=now)


async def _count_change_of_lists(session: WriteSession, categories: set[str]) -> None:
    for slug in sorted(categories):
        (await repository.lock_category(session, slug)).version += 1


async def reorder_category(session: WriteSession, slug: str, item_ids: list[UUID], version: int) -> FaqCategory:
    """Put a category's items in this order. Raises EditedMeanwhile when the list has changed since `version`, and
    IncompleteOrder unless each item is named once."""
    category = await repository.lock_category(session, slug)
    if category.version != version:
        raise EditedMeanwhile
    items = {item.id: item for item in await repository.list_of_category(session, slug)}
    if set(items) != set(item_ids) or len(items) != len(item_ids):
        raise IncompleteOrder
    for place, item_id in enumerate(item_ids, start=1):
        items[item_id].order = place * ORDER_GAP
    category.version += 1
    return category


_VOTE = text("""
    WITH before AS (SELECT helpful FROM faq_feedback WHERE item_id = :item_id AND voter = :voter FOR UPDATE),
    vote AS (
        INSERT INTO faq_feedback (item_id, voter, helpful, updated_at) VALUES (:item_id, :voter, :helpful, :now)
        ON CONFLICT (item_id, voter) DO UPDATE SET helpful = :helpful, updated_at = :now
    )
    SELECT helpful FROM before
""")


async def give_feedback(session: WriteSession, item_id: UUID, voter: bytes, now: datetime, *, helpful: bool) -> FaqItem:
    """Count one voice per voter and day; a second one replaces the first."""
    item = await repository.lock_item(session, item_id)
    if item.status != PUBLISHED:
        raise FaqItemNotFound
    values = {"item_id": item_id, "voter": voter, "helpful": helpful, "now": now}
    before = (await session.execute(_VOTE, values)).scalar_one_or_none()
    item.helpful_yes += helpful - (before is True)
    item.helpful_no += (not helpful) - (before is False)
    return item


async def _tell(session: WriteSession, kind: type[FaqItemPublished | FaqItemUnpublished], item: FaqItem) -> None:
    """The one event that carries text. Raises TextTooLong for what an event can't hold, some 64 kilobytes."""
    event = kind(
        item_id=item.id,
        locale=item.locale,
        question=item.question,
        answer=item.answer,
        category=item.category,
        version=item.version,
    )
    try:
        await publish(session, event, sequence=item.version)
    except EventTooLarge as error:
        raise TextTooLong("The answer takes more bytes than the assistant can be told.") from error
