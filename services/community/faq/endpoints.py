"""HTTP in, for readers of the FAQ and for staff."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from services.community.faq import repository, usecases
from services.community.faq.schemas import (
    CategoryCreate,
    CategoryOrder,
    FaqCategoryList,
    FaqCategoryRead,
    Feedback,
    ItemCreate,
    ItemPatch,
    ItemRead,
    Locale,
    Reorder,
    Slug,
    Status,
)
from services.community.faq.usecases import Question
from services.community.requests import EditedVersion, InCommunity, Network, Place, Visitor, Words, tag
from shared.database import Read, Write
from shared.idempotency import Idempotency
from shared.identity import Caller
from shared.pagination import Cursor, Limit, Page, page_of
from shared.routing import Router, public, role

router = Router(tags=["faq"])
SlugQuery = Annotated[Slug | None, Query()]


@router.get("/v1/faq", access=public)
async def list_faq(
    session: Read,
    community: InCommunity,
    category: SlugQuery = None,
    locale: Annotated[Locale | None, Query()] = None,
    q: Words = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ItemRead]:
    """Published items by category and order, or with `q` the best matches first."""
    place = Place(community, f"faq:{category}:{locale}:{q}", cursor)
    if q:
        found = await repository.search_items(session, q, category, locale, place.values, limit)
        return page_of(found, limit, _read, lambda row: place.after(row.rank, row.FaqItem.id))
    rows = await repository.list_items(session, category, locale, place.values, limit)
    return page_of(rows, limit, _read, _after(place))


def _read(row: Any) -> ItemRead:
    return ItemRead.model_validate(row.FaqItem)


def _after(place: Place) -> Callable[[Any], str]:
    return lambda row: place.after(row.position, row.FaqItem.category, row.FaqItem.order, row.FaqItem.id)


@router.get("/v1/faq/categories", access=public)
async def list_faq_categories(session: Read) -> FaqCategoryList:
    rows = await repository.list_categories(session)
    return FaqCategoryList(items=[FaqCategoryRead.model_validate(row) for row in rows])


@router.get("/v1/faq/{slug}", access=public)
async def read_faq_item(slug: Slug, session: Read, response: Response) -> ItemRead:
    item = await repository.get_published(session, slug)
    tag(response, item.version)
    return ItemRead.model_validate(item)


@router.post("/v1/faq/{item_id}/feedback", access=public)
async def give_faq_feedback(
    item_id: UUID, body: Feedback, session: Write, community: InCommunity, visitor: Visitor, network: Network
) -> ItemRead:
    """Say whether an answer helped; a second voice of the same visitor on the same day replaces the first."""
    await community.limit(f"feedback:{network}", community.settings.feedback_per_hour, "Too many voices in an hour.")
    item = await usecases.give_feedback(session, item_id, visitor, community.now, helpful=body.helpful)
    return ItemRead.model_validate(item)


@router.get("/v1/admin/community/faq", access=role("admin"))
async def list_faq_for_staff(
    session: Read,
    community: InCommunity,
    status: Annotated[Status | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ItemRead]:
    """Drafts and published items, newest first."""
    place = Place(community, f"faq-staff:{status}", cursor)
    rows = await repository.list_all_items(session, status, place.values, limit)
    return page_of(rows, limit, ItemRead.model_validate, lambda row: place.after(row.id))


@router.put("/v1/admin/community/faq/categories", access=role("admin"))
async def keep_faq_category(body: CategoryCreate, session: Write) -> FaqCategoryRead:
    """Make a category, or give one that is there a new name and position."""
    return FaqCategoryRead.model_validate(await usecases.keep_category(session, body.slug, body.name, body.position))


@router.post("/v1/admin/community/faq", access=role("admin"), status_code=201, response_model=ItemRead)
async def create_faq_item(
    body: ItemCreate, session: Write, caller: Caller, community: InCommunity, once: Idempotency
) -> Response:
    async def act() -> ItemRead:
        wanted = Question(**body.model_dump(), by=caller.user_id)
        return ItemRead.model_validate(await usecases.add_item(session, wanted, community.now))

    return await once.respond(session, act, status=201, headers=lambda item: {"ETag": f'"{item.version}"'})


@router.patch("/v1/admin/community/faq/{item_id}", access=role("admin"))
async def edit_faq_item(
    item_id: UUID,
    body: ItemPatch,
    version: EditedVersion,
    session: Write,
    caller: Caller,
    community: InCommunity,
    response: Response,
) -> ItemRead:
    """Send the item's version as `If-Match`; 412 when somebody was faster."""
    changes = body.model_dump(exclude_unset=True)
    item = await usecases.edit_item(session, item_id, changes, version, caller.user_id, community.now)
    tag(response, item.version)
    return ItemRead.model_validate(item)


@router.delete("/v1/admin/community/faq/{item_id}", access=role("admin"), status_code=204)
async def delete_faq_item(item_id: UUID, session: Write, caller: Caller, community: InCommunity) -> None:
    await usecases.delete_item(session, item_id, caller.user_id, community.now)


@router.post("/v1/admin/community/faq/reorder", access=role("admin"))
async def reorder_faq(body: Reorder, version: EditedVersion, session: Write, response: Response) -> CategoryOrder:
    """The full list of a category's items in their new order. `If-Match` is the category's version."""
    category = await usecases.reorder_category(session, body.category, body.ids, version)
    await session.flush()
    items = await repository.list_of_category(session, body.category)
    tag(response, category.version)
    return CategoryOrder(
        category=category.slug, version=category.version, items=[ItemRead.model_validate(item) for item in items]
    )
