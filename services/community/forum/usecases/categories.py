"""The forum's categories."""

from services.community.forum.models import Category
from shared.database import WriteSession


async def add_category(session: WriteSession, slug: str, name: str, description: str, position: int) -> Category:
    """The category, made if it isn't there."""
    known = await session.get(Category, slug)
    if known is not None:
        return known
    category = Category(slug=slug, name=name, description=description, position=position)
    session.add(category)
    await session.flush()
    return category


async def keep_category(session: WriteSession, slug: str, name: str, description: str, position: int) -> Category:
    """The category as staff describe it, made if it isn't there."""
    category = await add_category(session, slug, name, description, position)
    category.name, category.description, category.position = name, description, position
    return category
