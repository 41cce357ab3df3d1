"""Moderators close, pin, move, remove and bring back; everybody else may only undo what they did themselves."""

import pytest

from shared.ids import new_id

VERBS = {"lock": None, "unlock": None, "pin": None, "unpin": None, "move": {"category": "help"}}


async def moderate(village, verb, topic, body=None, roles=("moderator",)):
    path = f"/v1/forum/topics/{topic['id']}/{verb}"
    return await village.call("POST", path, new_id(), roles=list(roles), json=body)


async def actions(village):
    log = await village.admin("GET", "/v1/admin/community/log")
    return [entry["action"] for entry in log.json()["items"]]


@pytest.mark.parametrize("verb", VERBS)
async def test_only_moderators_moderate(village, verb):
    author = await village.register()
    topic = await village.topic(author)
    path = f"/v1/forum/topics/{topic['id']}/{verb}"
    refused = await village.call("POST", path, author, json=VERBS[verb])
    assert (refused.status_code, refused.json()["code"]) == (403, "moderators_only")
    assert (await village.call("POST", path, json=VERBS[verb])).status_code == 401
    assert (await moderate(village, verb, {"id": new_id()}, VERBS[verb])).status_code == 404
    assert (await moderate(village, verb, topic, VERBS[verb])).status_code == 200


async def test_a_locked_topic_takes_no_comments_until_it_is_opened(village):
    author = await village.register()
    topic = await village.topic(author)
    assert (await moderate(village, "lock", topic)).json()["locked"] is True
    body = {"content": "Too late?"}
    late = await village.call("POST", f"/v1/forum/topics/{topic['id']}/comments", author, json=body)
    assert (late.status_code, late.json()["code"]) == (409, "topic_locked")
    assert (await moderate(village, "unlock", topic)).json()["locked"] is False
    await village.comment(author, topic["id"])


async def test_pinned_topics_can_be_asked_for(village):
    author = await village.register()
    pinned, other = await village.topic(author), await village.topic(author)
    assert (await moderate(village, "pin", pinned)).json()["pinned"] is True
    assert [row["id"] for row in (await village.get("/v1/forum/topics", pinned=True))["items"]] == [pinned["id"]]
    assert [row["id"] for row in (await village.get("/v1/forum/topics", pinned=False))["items"]] == [other["id"]]
    await moderate(village, "unpin", pinned)
    assert (await village.get("/v1/forum/topics", pinned=True))["items"] == []


async def test_a_moved_topic_stands_in_its_new_category_only(village):
    topic = await village.topic(await village.register())
    assert (await moderate(village, "move", topic, {"category": "nowhere"})).status_code == 422
    assert (await moderate(village, "move", topic, {"category": "help"})).json()["category"] == "help"
    assert (await village.get("/v1/forum/topics", category="general"))["items"] == []
    assert len((await village.get("/v1/forum/topics", category="help"))["items"]) == 1


async def test_each_step_is_logged_once_and_authors_own_deletions_are_not(village):
    author = await village.register()
    topic = await village.topic(author)
    for verb in ("lock", "lock", "unlock", "pin", "move"):
        await moderate(village, verb, topic, VERBS[verb])
    comment = await village.comment(author, topic["id"])
    own = await village.comment(author, topic["id"])
    await village.call("DELETE", f"/v1/forum/comments/{own['id']}", author)
    path = f"/v1/forum/comments/{comment['id']}"
    await village.call("DELETE", path, new_id(), roles=["moderator"], params={"reason": "spam"})
    assert await actions(village) == ["remove", "move", "pin", "unlock", "lock"]
    [entry] = (await village.admin("GET", "/v1/admin/community/log", params={"limit": 1})).json()["items"]
    assert (entry["reason"], entry["comment_id"], entry["author_id"]) == ("spam", comment["id"], str(author))
    assert (await village.call("GET", "/v1/admin/community/log", author)).status_code == 403


async def test_a_deleted_topic_comes_back_with_everything_in_it(village):
    author, other = await village.register(), await village.register()
    topic = await village.topic(author, title="Phoenix")
    await village.comment(other, topic["id"], "ashes")
    await village.call("PUT", f"/v1/forum/topics/{topic['id']}/vote", other)
    path = f"/v1/forum/topics/{topic['id']}"
    await village.call("DELETE", path, author)
    assert (await village.call("POST", f"{path}/restore", other)).status_code == 403
    back = (await village.call("POST", f"{path}/restore", author)).json()
    assert (back["status"], back["score"], back["comment_count"]) == ("visible", 1, 1)
    assert [row["content"] for row in (await village.get(f"{path}/comments"))["items"]] == ["ashes"]
    assert len((await village.get("/v1/forum/search", q="phoenix"))["items"]) == 1
    assert (await village.call("POST", f"{path}/restore", author)).json() == back


async def test_authors_cannot_bring_back_what_a_moderator_removed(village):
    author = await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"], "rude")
    for path in (f"/v1/forum/comments/{comment['id']}", f"/v1/forum/topics/{topic['id']}"):
        await village.call("DELETE", path, new_id(), roles=["moderator"])
        assert (await village.call("POST", f"{path}/restore", author)).status_code in {403, 404}
    for path in (f"/v1/forum/topics/{topic['id']}", f"/v1/forum/comments/{comment['id']}"):
        assert (await village.call("POST", f"{path}/restore", new_id(), roles=["moderator"])).status_code == 200
    assert (await village.get(f"/v1/forum/topics/{topic['id']}/comments"))["items"][0]["content"] == "rude"


async def test_a_deleted_comment_comes_back_with_its_words_and_is_counted_once(village):
    author = await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"], "sorry")
    path = f"/v1/forum/comments/{comment['id']}"
    await village.call("DELETE", path, author)
    for _ in range(2):
        restored = await village.call("POST", f"{path}/restore", author)
        assert (restored.status_code, restored.json()["content"]) == (200, "sorry")
    assert (await village.get(f"/v1/forum/topics/{topic['id']}"))["comment_count"] == 1


async def test_a_comment_of_a_removed_topic_is_nobody_s_to_restore(village):
    author = await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"])
    await village.call("DELETE", f"/v1/forum/comments/{comment['id']}", author)
    await village.call("DELETE", f"/v1/forum/topics/{topic['id']}", author)
    assert (await village.call("POST", f"/v1/forum/comments/{comment['id']}/restore", author)).status_code == 404


async def test_staff_make_categories_for_topics(village):
    body = {"slug": "memes", "name": "Memes", "description": "Captions that work.", "position": 9}
    for name in ("Memes", "All memes"):
        made = await village.admin("PUT", "/v1/admin/community/forum/categories", {**body, "name": name})
        assert (made.status_code, made.json()) == (200, {**body, "name": name})
    assert (await village.get("/v1/forum/categories"))["items"][-1]["name"] == "All memes"
    await village.topic(await village.register(), category="memes")
    refused = await village.call("PUT", "/v1/admin/community/forum/categories", new_id(), json=body)
    assert refused.status_code == 403
