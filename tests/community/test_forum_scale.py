"""With many topics and long threads, each page costs a few queries, and each query finds its rows by an index."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event

from shared.ids import new_id
from tests.support.community import open_village

TOPICS = 20_000
COMMENTS = 10_000
MOST_QUERIES = 6

_FILL_TOPICS = """
    INSERT INTO forum_topics (id, user_id, title, slug, content, content_html, renderer_version, category, tags, kind,
                              score, comment_count, last_activity_at, created_at, updated_at)
    SELECT gen_random_uuid(), ('00000000-0000-4000-8000-' || lpad((n %% 500)::text, 12, '0'))::uuid, 'Topic ' || n, 't',
           'word' || (n %% 400) || ' about pictures' || CASE WHEN n %% 2000 = 0 THEN ' walrus' ELSE '' END, '', 1,
           (ARRAY['general', 'help', 'showcase', 'ideas'])[1 + n %% 4], ARRAY['tag' || (n %% 300)], 'question',
           n %% 50, CASE WHEN n %% 100 = 0 THEN 0 ELSE 1 END,
           %(now)s::timestamptz - n * interval '1 minute', %(now)s::timestamptz - n * interval '7 minutes', %(now)s
      FROM generate_series(1, %(topics)s) AS n
    RETURNING 1
"""
_FILL_COMMENTS = """
    INSERT INTO forum_comments (id, topic_id, user_id, path, depth, content, content_html, renderer_version, created_at,
                                updated_at)
    SELECT gen_random_uuid(), %(topic)s, gen_random_uuid(), int4send(n), 0, 'c', '<p>c</p>', 1,
           %(now)s::timestamptz + n * interval '1 second', %(now)s
      FROM generate_series(1, %(comments)s) AS n
    RETURNING 1
"""


@pytest.fixture(scope="module")
async def city():
    """A village grown large, and its longest thread."""
    async with open_village() as village:
        topic = await village.topic(await village.register())
        facts = {"now": village.svc.clock.now(), "topics": TOPICS, "comments": COMMENTS, "topic": topic["id"]}
        for fill in (_FILL_TOPICS, _FILL_COMMENTS):
            await village.svc.rows(fill, **facts)
        async with village.svc.runtime.database.pool.connection() as connection:
            # The list of words that new rows wait in would hide the index from the planner.
            await connection.execute("VACUUM ANALYZE forum_topics, forum_comments")
        yield village, topic


@contextmanager
def recorded(village):
    """The statements that reading endpoints send, with their parameters."""
    statements = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        statements.append((statement, parameters))

    engine = village.svc.runtime.database._read_engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def plan(village, statement, parameters):
    async with village.svc.runtime.database.pool.connection() as connection:
        rows = await (await connection.execute(f"EXPLAIN {statement}", parameters)).fetchall()
    return "\n".join(row["QUERY PLAN"] for row in rows)


LISTS = {
    "hot": ({"sort": "hot"}, "forum_topics_hot_idx"),
    "new": ({"sort": "new"}, "forum_topics_new_idx"),
    "top": ({"sort": "top"}, "forum_topics_top_idx"),
    "active": ({"sort": "active"}, "forum_topics_active_idx"),
    "unanswered": ({"sort": "new", "unanswered": "true"}, "forum_topics_unanswered_idx"),
    "a tag": ({"sort": "hot", "tag": "tag7"}, "forum_topics_tags_idx"),
    "an author": ({"sort": "new", "author": "00000000-0000-4000-8000-000000000007"}, "forum_topics_user_id_idx"),
}


@pytest.mark.parametrize("name", LISTS)
async def test_each_page_of_a_list_is_read_by_its_index(city, name):
    village, _ = city
    params, index = LISTS[name]
    first = await village.get("/v1/forum/topics", limit=20, **params)
    for page in ({}, {"cursor": first["next_cursor"]}):
        with recorded(village) as statements:
            shown = await village.get("/v1/forum/topics", new_id(), limit=20, **params, **page)
        assert len(shown["items"]) == 20
        assert len(statements) <= MOST_QUERIES
        [listing] = [entry for entry in statements if "ORDER BY" in entry[0]]
        steps = await plan(village, *listing)
        assert index in steps, steps
        assert "Seq Scan on forum_topics" not in steps, steps


@pytest.mark.parametrize("sort", ["hot", "new", "active"])
async def test_a_category_is_read_without_reading_all_topics(city, sort):
    village, _ = city
    with recorded(village) as statements:
        await village.get("/v1/forum/topics", limit=20, sort=sort, category="help")
    [listing] = [entry for entry in statements if "ORDER BY" in entry[0]]
    assert "Seq Scan on forum_topics" not in await plan(village, *listing)


async def test_search_finds_its_rows_by_the_index_of_words(city):
    village, _ = city
    with recorded(village) as statements:
        found = await village.get("/v1/forum/search", new_id(), q="walrus pictures")
    assert len(found["items"]) == TOPICS // 2000
    assert len(statements) <= MOST_QUERIES
    [listing] = [entry for entry in statements if "ORDER BY" in entry[0]]
    steps = await plan(village, *listing)
    assert "forum_topics_tsv_idx" in steps, steps


@pytest.mark.parametrize(
    ("sort", "index"),
    [
        ("tree", "forum_comments_topic_id_path_key"),
        ("new", "forum_comments_new_idx"),
        ("top", "forum_comments_top_idx"),
    ],
)
async def test_a_page_of_a_long_thread_costs_no_more_than_one_of_a_short_one(city, sort, index):
    village, topic = city
    path, reader = f"/v1/forum/topics/{topic['id']}/comments", new_id()
    first = await village.get(path, reader, sort=sort)
    with recorded(village) as statements:
        await village.get(path, reader, sort=sort, cursor=first["next_cursor"])
    assert len(statements) <= MOST_QUERIES
    [listing] = [entry for entry in statements if "ORDER BY" in entry[0]]
    steps = await plan(village, *listing)
    assert index in steps, steps
    assert "Sort" not in steps, steps


async def test_ids_of_topics_and_their_authors_are_looked_up_by_key(city):
    village, topic = city
    with recorded(village) as statements:
        await village.get(f"/v1/forum/topics/{topic['id']}", new_id())
    assert len(statements) <= MOST_QUERIES
    for statement in statements:
        assert "Seq Scan on forum_topics" not in await plan(village, *statement)
