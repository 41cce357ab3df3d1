"""First content, made through the use cases so that its events flow. Running it again changes nothing."""

from sqlalchemy import func, select

from services.community.faq.repository import find_item_by_slug
from services.community.faq.seed_items import SEED_ITEMS
from services.community.faq.usecases import Question, add_category, add_item
from services.community.forum.usecases.categories import add_category as add_forum_category
from services.community.text import slug_of
from shared.runtime import Runtime

FORUM_CATEGORIES = (
    ("general", "General", "Anything about creating with Atelier."),
    ("help", "Help", "Questions, answered by people who know."),
    ("showcase", "Showcase", "Show what you made."),
    ("ideas", "Ideas", "What should be built next."),
)


async def seed(runtime: Runtime) -> None:
    async with runtime.database.write() as session:
        # Replicas that start together take turns.
        await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("community:seed", 0))))
        for position, (slug, name, description) in enumerate(FORUM_CATEGORIES):
            await add_forum_category(session, slug, name, description, position)
        categories = dict.fromkeys(item.category for item in SEED_ITEMS)
        for position, slug in enumerate(categories):
            await add_category(session, slug, slug.replace("-", " ").capitalize(), position)
        # Staff may have deleted or changed an item since: what has been there once is left alone.
        for item in SEED_ITEMS:
            if await find_item_by_slug(session, slug_of(item.question)) is None:
                question = Question(item.question, item.answer, item.category)
                await add_item(session, question, runtime.clock.now())
