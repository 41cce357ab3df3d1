"""Feeds are well-formed whatever people write, tell only what is public, and cost nothing when nothing is new."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.community.forum.feeds import ATOM, Entry, render_feed
from shared.ids import new_id

NAMES = {"atom": ATOM}
EMPTY = ["feed", "id", "title", "link", "updated"]
ENTRY = ["entry", "id", "title", "author", "name", "link", "published", "updated", "content"]
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


async def titles(village, path, **params):
    answer = await village.call("GET", path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    return [node.text for node in ET.fromstring(answer.content).findall("atom:entry/atom:title", NAMES)]


async def test_the_newest_topics_of_everything_a_category_or_a_tag(village):
    author = await village.register(display_name="Ada & Co")
    await village.topic(author, title="One", category="help")
    village.svc.clock.advance(1)
    await village.topic(author, title="Two <b>", tags=["cats"])
    assert await titles(village, "/v1/forum/feed.atom") == ["Two <b>", "One"]
    assert await titles(village, "/v1/forum/feed.atom", tag="cats") == ["Two <b>"]
    assert await titles(village, "/v1/forum/feed.atom", category="help") == ["One"]
    assert await titles(village, "/v1/forum/c/help.atom") == ["One"]
    feed = (await village.call("GET", "/v1/forum/feed.atom")).content
    first = ET.fromstring(feed).find("atom:entry", NAMES)
    assert first.find("atom:author/atom:name", NAMES).text == "Ada & Co"
    assert first.find("atom:link", NAMES).get("href").startswith("http://atelier.test/v1/forum/topics/")
    assert first.find("atom:content", NAMES).text == "<p>About <em>cats</em>.</p>\n"


async def test_a_topic_s_feed_has_its_comments_and_none_that_was_removed(village):
    author = await village.register()
    topic = await village.topic(author, title="Talk")
    kept, gone = await village.comment(author, topic["id"], "kept"), await village.comment(author, topic["id"], "gone")
    await village.call("DELETE", f"/v1/forum/comments/{gone['id']}", author)
    answer = await village.call("GET", f"/v1/forum/t/{topic['id']}.atom")
    ids = [node.text for node in ET.fromstring(answer.content).findall("atom:entry/atom:id", NAMES)]
    assert ids == [f"urn:uuid:{kept['id']}"]
    await village.call("DELETE", f"/v1/forum/topics/{topic['id']}", author)
    assert (await village.call("GET", f"/v1/forum/t/{topic['id']}.atom")).status_code == 404
    assert await titles(village, "/v1/forum/feed.atom") == []


async def test_a_reader_who_knows_the_feed_gets_nothing_until_something_changes(village):
    author = await village.register()
    topic = await village.topic(author)
    first = await village.call("GET", "/v1/forum/feed.atom")
    known = {"If-None-Match": first.headers["ETag"]}
    again = await village.call("GET", "/v1/forum/feed.atom", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["Cache-Control"] == "public, max-age=60"
    change = {"json": {"title": "Dogs"}, "headers": {"If-Match": '"1"'}}
    await village.call("PATCH", f"/v1/forum/topics/{topic['id']}", author, **change)
    assert (await village.call("GET", "/v1/forum/feed.atom", headers=known)).status_code == 200


@pytest.mark.parametrize("path", ["c/nowhere.atom", "t/x.atom", "t/018f0000-0000-7000-8000-000000000000.atom"])
async def test_feeds_of_nothing_are_refused_clearly(village, path):
    assert (await village.call("GET", f"/v1/forum/{path}")).status_code == (422 if path == "t/x.atom" else 404)


@given(st.text(), st.text(), st.text())
def test_any_words_make_a_well_formed_feed(title, author, html):
    entry = Entry(new_id(), title, author, "https://a.example/?a=1&b=2", html, MOMENT, MOMENT)
    feed = ET.fromstring(render_feed(title, "https://a.example/feed", [entry]))
    assert len(feed.findall("atom:entry", NAMES)) == 1
    assert len(list(feed.iter())) == len(EMPTY) + len(ENTRY)


def test_an_empty_feed_is_a_feed():
    feed = ET.fromstring(render_feed("Nothing", "https://a.example/feed", []))
    assert feed.find("atom:updated", NAMES).text == "1970-01-01T00:00:00+00:00"
