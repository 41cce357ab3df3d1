"""The forum keeps its counters right, its pages whole, and other people's words theirs."""

import asyncio

import pytest

from services.community.tasks import fold_views
from shared.ids import new_id


async def walk(village, path, user_id=None, **params):
    """All items of a list, page by page."""
    items, cursor = [], None
    while True:
        page = await village.get(path, user_id, **params, **({"cursor": cursor} if cursor else {}))
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


async def test_a_topic_shows_its_author_and_safe_html(village):
    author = await village.register(handle="ada", display_name="Ada")
    topic = await village.topic(author, content="Hi **there** <script>alert(1)</script>")
    shown = await village.get(f"/v1/forum/topics/{topic['id']}")
    assert shown["author"] == {"handle": "ada", "display_name": "Ada", "is_staff": False}
    assert "<strong>there</strong>" in shown["content_html"]
    assert "<script" not in shown["content_html"]
    [event] = await village.svc.published("forum.topic_created")
    assert event["data"]["topic_id"] == topic["id"]
    assert "there" not in str(event)


async def test_mentions_name_the_users_they_mean(village):
    bob = await village.register(handle="bob")
    await village.topic(await village.register(), content="Ask @bob, not @nobody or `@ghost`.")
    [event] = await village.svc.published("forum.topic_created")
    assert event["data"]["mentions"] == [str(bob)]


async def test_a_viewer_counts_once_per_day(village):
    topic = await village.topic(await village.register())
    path, reader = f"/v1/forum/topics/{topic['id']}/view", new_id()
    for viewer in (reader, reader, new_id(), None, None):
        assert (await village.call("POST", path, viewer)).status_code == 204
    await fold_views(village.svc.runtime)
    await fold_views(village.svc.runtime)
    assert (await village.get(f"/v1/forum/topics/{topic['id']}"))["views"] == 3
    village.svc.clock.advance(86400)
    await village.call("POST", path, reader)
    await fold_views(village.svc.runtime)
    assert (await village.get(f"/v1/forum/topics/{topic['id']}"))["views"] == 4


async def test_many_views_write_a_topic_once(village):
    topic = await village.topic(await village.register())
    views = [village.call("POST", f"/v1/forum/topics/{topic['id']}/view", new_id()) for _ in range(60)]
    await asyncio.gather(*views)
    [before] = await village.svc.rows("SELECT xmin::text AS x, views FROM forum_topics")
    await fold_views(village.svc.runtime)
    [after] = await village.svc.rows("SELECT xmin::text AS x, views FROM forum_topics")
    assert before["views"] == 0
    assert after["views"] == 60
    await fold_views(village.svc.runtime)
    [idle] = await village.svc.rows("SELECT xmin::text AS x FROM forum_topics")
    assert idle["x"] == after["x"]


async def test_fifty_parallel_toggles_leave_the_score_at_the_number_of_votes(village):
    topic = await village.topic(await village.register())
    voters = [new_id() for _ in range(10)]
    path = f"/v1/forum/topics/{topic['id']}/vote"
    toggles = [
        village.call(method, path, voter) for voter in voters for method in ("PUT", "DELETE", "PUT", "DELETE", "PUT")
    ]
    answers = await asyncio.gather(*toggles)
    assert {answer.status_code for answer in answers} == {200}
    [row] = await village.svc.rows("SELECT score, (SELECT count(*) FROM topic_votes) AS votes FROM forum_topics")
    assert row["score"] == row["votes"]


async def test_nobody_votes_for_themselves(village):
    author = await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"])
    for path in (f"topics/{topic['id']}", f"comments/{comment['id']}"):
        answer = await village.call("PUT", f"/v1/forum/{path}/vote", author)
        assert (answer.status_code, answer.json()["code"]) == (403, "self_vote")


async def test_comments_read_as_a_tree_and_stop_growing_deeper(village):
    user = await village.register()
    topic = await village.topic(user)
    first = await village.comment(user, topic["id"], "first")
    await village.comment(user, topic["id"], "second")
    parent = first
    for level in range(1, 11):
        parent = await village.comment(user, topic["id"], f"level {level}", parent["id"])
    comments = await walk(village, f"/v1/forum/topics/{topic['id']}/comments", limit=3)
    assert [row["content"] for row in comments] == ["first", *[f"level {n}" for n in range(1, 11)], "second"]
    assert [row["depth"] for row in comments] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 0]
    assert (await village.get(f"/v1/forum/topics/{topic['id']}"))["comment_count"] == 12


async def test_edits_need_the_version_that_was_read(village):
    author = await village.register()
    topic = await village.topic(author)
    path, change = f"/v1/forum/topics/{topic['id']}", {"title": "Dogs"}
    assert (await village.call("PATCH", path, author, json=change)).status_code == 428
    read = await village.call("GET", path)
    edited = await village.call("PATCH", path, author, json=change, headers={"If-Match": read.headers["ETag"]})
    assert (edited.status_code, edited.json()["title"], edited.json()["slug"]) == (200, "Dogs", "dogs")
    late = await village.call("PATCH", path, author, json=change, headers={"If-Match": read.headers["ETag"]})
    assert late.status_code == 412


async def test_a_comment_in_between_does_not_spoil_an_edit(village):
    author = await village.register()
    topic = await village.topic(author)
    await village.comment(new_id(), topic["id"])
    path = f"/v1/forum/topics/{topic['id']}"
    edited = await village.call("PATCH", path, author, json={"tags": ["New"]}, headers={"If-Match": '"1"'})
    assert (edited.status_code, edited.json()["tags"]) == (200, ["new"])


async def test_only_authors_edit_and_only_they_or_moderators_remove(village):
    author, stranger = await village.register(), await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"])
    for path, change in (
        (f"/v1/forum/topics/{topic['id']}", {"title": "Mine"}),
        (f"/v1/forum/comments/{comment['id']}", {"content": "Mine"}),
    ):
        for roles in ([], ["moderator"]):
            edit = await village.call("PATCH", path, stranger, json=change, headers={"If-Match": "1"}, roles=roles)
            assert edit.status_code == 403
        assert (await village.call("DELETE", path, stranger)).status_code == 403
    removed = await village.call("DELETE", f"/v1/forum/comments/{comment['id']}", stranger, roles=["moderator"])
    assert removed.status_code == 204


async def test_a_removed_comment_loses_its_words_and_keeps_its_answers(village):
    author = await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"], "secret words")
    await village.comment(new_id(), topic["id"], "an answer", comment["id"])
    assert (await village.call("DELETE", f"/v1/forum/comments/{comment['id']}", author)).status_code == 204
    page = await village.get(f"/v1/forum/topics/{topic['id']}/comments")
    assert [row["content"] for row in page["items"]] == ["[deleted]", "an answer"]
    assert page["items"][0]["user_id"] is None
    assert (await village.get(f"/v1/forum/topics/{topic['id']}"))["comment_count"] == 1
    for method in ("DELETE", "PATCH"):
        body = {"json": {"content": "back"}, "headers": {"If-Match": "1"}} if method == "PATCH" else {}
        assert (await village.call(method, f"/v1/forum/comments/{comment['id']}", author, **body)).status_code == 404


async def test_a_removed_topic_is_nowhere_to_be_seen(village):
    author, other = await village.register(), await village.register()
    topic = await village.topic(author, title="Vanishing", content="quicksilver", tags=["gone"])
    comment = await village.comment(other, topic["id"])
    path = f"/v1/forum/topics/{topic['id']}"
    assert (await village.call("DELETE", path, author)).status_code == 204
    for method, below in (("GET", ""), ("GET", "/comments"), ("POST", "/view"), ("PUT", "/vote"), ("DELETE", "")):
        assert (await village.call(method, path + below, other)).status_code == 404
    assert (await village.call("PUT", f"/v1/forum/comments/{comment['id']}/vote", author)).status_code == 404
    for query in ("topics", "topics?tag=gone", f"topics?author={author}", "search?q=quicksilver"):
        assert (await village.get(f"/v1/forum/{query}"))["items"] == []
    assert len(await village.svc.published("forum.topic_removed")) == 1


@pytest.mark.parametrize("sort", ["hot", "new", "top", "active"])
async def test_pages_neither_repeat_nor_skip(village, sort):
    author, voters = await village.register(), [new_id() for _ in range(3)]
    for number in range(11):
        topic = await village.topic(author, title=f"Topic {number}")
        for voter in voters[: number % 4]:
            await village.call("PUT", f"/v1/forum/topics/{topic['id']}/vote", voter)
    everything = await village.get("/v1/forum/topics", sort=sort)
    walked = await walk(village, "/v1/forum/topics", sort=sort, limit=2)
    assert [row["id"] for row in walked] == [row["id"] for row in everything["items"]]
    assert len(walked) == 11


@pytest.mark.parametrize("sort", ["new", "hot"])
async def test_a_walk_sees_each_topic_once_while_others_write(village, sort):
    author = await village.register()
    topics = [await village.topic(author, title=f"Topic {number}") for number in range(9)]
    seen, cursor = [], None
    while True:
        page = await village.get(f"/v1/forum/topics?sort={sort}&limit=2" + (f"&cursor={cursor}" if cursor else ""))
        seen += [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await village.topic(author, title="Newcomer")
    assert len(seen) == len(set(seen))
    assert {topic["id"] for topic in topics} <= set(seen)


async def test_a_cursor_of_another_list_is_refused(village):
    author = await village.register()
    for _ in range(3):
        await village.topic(author)
    cursor = (await village.get("/v1/forum/topics?sort=new&limit=1"))["next_cursor"]
    for query in (
        f"sort=hot&cursor={cursor}",
        f"sort=new&tag=x&cursor={cursor}",
        "sort=new&cursor=forged",
        "cursor=%00",
    ):
        answer = await village.call("GET", f"/v1/forum/topics?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize(
    "words", ['"unbalanced', "' OR 1=1 --", "the", "a & | ! ( b", ":*", "\\", "-", "🐈", "x" * 200]
)
async def test_any_words_are_a_valid_search(village, words):
    await village.topic(await village.register())
    for path in ("/v1/forum/search", "/v1/faq"):
        assert "items" in await village.get(path, q=words)


async def test_search_finds_titles_first_and_honours_quotes_and_minus(village):
    author = await village.register()
    inside = await village.topic(author, title="Something else", content="How to render captions quickly")
    titled = await village.topic(author, title="Captions for reels", content="Some text")
    found = await village.get("/v1/forum/search", q="caption")
    assert [row["id"] for row in found["items"]] == [titled["id"], inside["id"]]
    found = await village.get("/v1/forum/search", q='"render captions"')
    assert [row["id"] for row in found["items"]] == [inside["id"]]
    found = await village.get("/v1/forum/search", q="captions -reels")
    assert [row["id"] for row in found["items"]] == [inside["id"]]


async def test_only_who_asked_accepts_an_answer(village):
    asker, helper = await village.register(), await village.register()
    topic = await village.topic(asker, kind="question")
    comment = await village.comment(helper, topic["id"])
    path, body = f"/v1/forum/topics/{topic['id']}/accepted", {"comment_id": comment["id"]}
    assert (await village.call("PUT", path, helper, json=body)).status_code == 403
    accepted = await village.call("PUT", path, asker, json=body)
    assert accepted.json()["accepted_comment_id"] == comment["id"]
    assert len(await village.svc.published("forum.answer_accepted")) == 1
    assert (await village.call("DELETE", path, asker)).json()["accepted_comment_id"] is None


async def test_a_repeated_post_with_one_key_opens_one_topic(village):
    author = await village.register()
    options = {"json": {"title": "Once", "content": "Only"}, "headers": {"Idempotency-Key": "k1"}}
    first = await village.call("POST", "/v1/forum/topics", author, **options)
    again = await village.call("POST", "/v1/forum/topics", author, **options)
    assert first.json()["id"] == again.json()["id"]
    assert len((await village.get("/v1/forum/topics"))["items"]) == 1


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"title": 1, "content": []}',
    b'{"title": "a\\u0000b", "content": "x"}',
    b'{"title": "\\ud800", "content": "x"}',
    b'{"title": "x", "content": "x", "category": "no-such"}',
    b'{"title": "x", "content": "x", "tags": ["a b"]}',
    b'{"title": "x", "content": "x", "tags": ["1","2","3","4","5","6"]}',
    b'{"title": "x", "content": "x", "kind": "rant"}',
    b'{"title": "x", "content": "x", "surprise": 1}',
    b'{"title": " ", "content": "x"}',
    b'{"title": "x", "content": "' + b"*" * 60_000 + b'"}',
    b'{"title": "x", "content": "' + b"[" * 2_000 + b'"}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("body", MALFORMED)
async def test_malformed_topics_are_refused_clearly(village, body):
    headers = {"Content-Type": "application/json"}
    answer = await village.call("POST", "/v1/forum/topics", new_id(), content=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("place", ["not-a-uuid", "%00", "01a206b6-1b20-76f3-9062-cdae7476302c"])
async def test_unknown_places_are_404_or_422_and_never_an_error_of_ours(village, place):
    user = new_id()
    for method, path in (
        ("GET", "topics/{}"),
        ("DELETE", "topics/{}"),
        ("GET", "topics/{}/comments"),
        ("PUT", "comments/{}/vote"),
        ("DELETE", "comments/{}"),
    ):
        assert (await village.call(method, "/v1/forum/" + path.format(place), user)).status_code in {404, 422}
