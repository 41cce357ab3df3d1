"""Pages stay whole while others write, vote and delete; ranking is what it says; search finds what is there."""

import itertools

import pytest

from shared.ids import new_id

ODD_QUERIES = [
    *[
        '"',
        "'",
        "''",
        '"unbalanced',
        "a & b",
        "a | b",
        "!",
        "!!a",
        "(",
        ")",
        "a:*",
        "a <-> b",
        "\\",
        "%",
        "_",
        ":",
        "*",
    ],
    *["the", "of and or", "-", "--", "-cats", "or", "or or", "'; DROP TABLE forum_topics; --", "a" * 200, "é"],
    *["日本語", "🐈", "\u202e", "\t", " ", "<b>", "cats' OR 1=1", "((((((((", '"a" "b', "a -", "1e400", "NaN", "\x01"],
]


async def pages(village, path, **params):
    """The pages of a list, one at a time, so that a test can write in between."""
    cursor = None
    while True:
        page = await village.get(path, **params, **({"cursor": cursor} if cursor else {}))
        yield [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return


@pytest.mark.parametrize("sort", ["new", "top"])
async def test_a_walk_repeats_nothing_and_skips_nothing_that_stays(village, sort):
    """Removals and newcomers in between; of `top` the votes stand still, as they are what it sorts by."""
    author = await village.register()
    topics = [await village.topic(author, title=f"Topic {number}") for number in range(12)]
    doomed, seen = iter(topics[::3]), []
    async for page in pages(village, "/v1/forum/topics", sort=sort, limit=2):
        seen += page
        await village.topic(author, title="Newcomer")
        victim = next(doomed, None)
        if victim:
            await village.call("DELETE", f"/v1/forum/topics/{victim['id']}", author)
    assert len(seen) == len(set(seen))
    assert {row["id"] for index, row in enumerate(topics) if index % 3} <= set(seen)


@pytest.mark.parametrize("sort", ["hot", "top", "active"])
async def test_votes_and_comments_in_between_move_topics_and_repeat_none(village, sort):
    """What moves up while one reads may be missed, never shown twice: the cursor is a place, not a number."""
    author = await village.register()
    topics = [await village.topic(author, title=f"Topic {number}") for number in range(10)]
    mover, seen = itertools.cycle(topics), []
    async for page in pages(village, "/v1/forum/topics", sort=sort, limit=2):
        seen += page
        for topic in itertools.islice(mover, 3):
            await village.call("PUT", f"/v1/forum/topics/{topic['id']}/vote", new_id())
            village.svc.clock.advance(1)
            await village.comment(new_id(), topic["id"])
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("sort", ["tree", "new", "top"])
async def test_a_thread_is_read_whole_while_it_grows_and_shrinks(village, sort):
    author = await village.register()
    topic = await village.topic(author)
    first = [await village.comment(author, topic["id"], f"comment {number}") for number in range(9)]
    path, seen = f"/v1/forum/topics/{topic['id']}/comments", []
    async for page in pages(village, path, sort=sort, limit=2):
        seen += page
        await village.comment(author, topic["id"], "an answer", first[0]["id"])
        await village.call("DELETE", f"/v1/forum/comments/{first[len(seen) % 9]['id']}", author)
    assert len(seen) == len(set(seen))
    assert {row["id"] for row in first} <= set(seen)


async def test_the_best_comments_come_first_if_asked(village):
    topic = await village.topic(await village.register())
    comments = [await village.comment(new_id(), topic["id"], str(number)) for number in range(4)]
    for votes, comment in zip((1, 3, 0, 2), comments, strict=True):
        for _ in range(votes):
            await village.call("PUT", f"/v1/forum/comments/{comment['id']}/vote", new_id())
    path = f"/v1/forum/topics/{topic['id']}/comments"
    shown = (await village.get(path, sort="top"))["items"]
    assert [(row["content"], row["score"]) for row in shown] == [("1", 3), ("3", 2), ("0", 1), ("2", 0)]
    walked = [row async for page in pages(village, path, sort="top", limit=1) for row in page]
    assert walked == [row["id"] for row in shown]


async def test_each_order_is_what_it_says(village):
    author = await village.register()
    old = await village.topic(author, title="Old and loved")
    for _ in range(10):
        await village.call("PUT", f"/v1/forum/topics/{old['id']}/vote", new_id())
    village.svc.clock.advance(2 * 86_400)
    quiet = await village.topic(author, title="New and quiet")
    village.svc.clock.advance(60)
    liked = await village.topic(author, title="New and liked")
    for _ in range(2):
        await village.call("PUT", f"/v1/forum/topics/{liked['id']}/vote", new_id())
    village.svc.clock.advance(60)
    await village.comment(new_id(), old["id"])
    names = {old["id"]: "old", quiet["id"]: "quiet", liked["id"]: "liked"}

    async def order(**params):
        return [names[row["id"]] for row in (await village.get("/v1/forum/topics", **params))["items"]]

    assert await order(sort="new") == ["liked", "quiet", "old"]
    assert await order(sort="top") == ["old", "liked", "quiet"]
    assert await order(sort="active") == ["old", "liked", "quiet"]
    # Ten votes are worth 45,000 seconds, and two days are nearly four times that.
    assert await order(sort="hot") == ["liked", "quiet", "old"]
    assert await order(sort="top", window="day") == ["liked", "quiet"]
    assert await order(unanswered=True) == ["liked", "quiet"]


async def test_a_vote_never_lowers_a_topic_and_a_withdrawn_one_leaves_no_trace(village):
    topic = await village.topic(await village.register())
    path = f"/v1/forum/topics/{topic['id']}/vote"
    heat = []
    for _ in range(4):
        [row] = await village.svc.rows("SELECT hot FROM forum_topics")
        heat.append(row["hot"])
        await village.call("PUT", path, new_id())
    assert heat == sorted(heat)
    [before] = await village.svc.rows("SELECT hot FROM forum_topics")
    voter = new_id()
    await village.call("PUT", path, voter)
    await village.call("DELETE", path, voter)
    assert await village.svc.rows("SELECT hot FROM forum_topics") == [before]


@pytest.mark.parametrize("query", ODD_QUERIES)
async def test_any_words_can_be_searched_for(village, query):
    for path in ("/v1/forum/search", "/v1/faq"):
        answer = await village.call("GET", path, params={"q": query})
        assert answer.status_code == 200, answer.text


async def test_search_pages_in_order_of_rank_and_narrows_by_filter(village):
    ann, bob = await village.register(), await village.register()
    for number in range(7):
        await village.topic(ann if number % 2 else bob, title=f"Walrus {number}", content="walrus " * (number + 1))
    help_topic = await village.topic(ann, title="Other", content="A walrus.", category="help", tags=["sea"])
    whole = [row["id"] for row in (await village.get("/v1/forum/search", q="walrus"))["items"]]
    walked = [row async for page in pages(village, "/v1/forum/search", q="walrus", limit=3) for row in page]
    assert walked == whole
    assert len(whole) == 8
    assert whole[-1] == help_topic["id"]
    for narrowed in ({"category": "help"}, {"tag": "sea"}):
        found = (await village.get("/v1/forum/search", q="walrus", **narrowed))["items"]
        assert [row["id"] for row in found] == [help_topic["id"]]
    found = (await village.get("/v1/forum/search", q="walrus", author=str(bob)))["items"]
    assert {row["user_id"] for row in found} == {str(bob)}
