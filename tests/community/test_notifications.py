"""Users hear of what concerns them, once, and never of what they may not read."""

import pytest

from shared.ids import new_id


async def told(village, user_id, **params):
    await village.hear_itself()
    items = (await village.get("/v1/notifications", user_id, **params))["items"]
    return [item["kind"] for item in items]


async def unseen(village, user_id):
    return (await village.get("/v1/notifications/count", user_id))["unseen"]


async def test_an_author_hears_of_comments_and_not_of_their_own(village):
    author = await village.register()
    other = await village.register(handle="bob", display_name="Bob")
    topic = await village.topic(author, title="Cats?")
    comment = await village.comment(other, topic["id"])
    await village.comment(author, topic["id"])
    await village.hear_itself()
    [notice] = (await village.get("/v1/notifications", author))["items"]
    assert (notice["kind"], notice["topic_title"], notice["comment_id"]) == ("comment", "Cats?", comment["id"])
    assert notice["actor"] == {"handle": "bob", "display_name": "Bob", "is_staff": False}
    assert notice["seen_at"] is None


async def test_the_best_reason_is_told_and_only_that(village):
    author, replied = await village.register(), await village.register()
    named = await village.register(handle="ann")
    topic = await village.topic(author)
    first = await village.comment(replied, topic["id"])
    village.svc.clock.advance(1)
    await village.comment(named, topic["id"])
    await village.comment(new_id(), topic["id"], "Well, @ann!", first["id"])
    assert await told(village, author) == ["comment", "comment", "comment"]
    assert await told(village, replied) == ["reply", "comment"]
    assert await told(village, named) == ["mention"]


async def test_an_event_heard_twice_is_told_once(village):
    author = await village.register()
    topic = await village.topic(author)
    await village.comment(new_id(), topic["id"])
    await village.hear_itself()
    await village.svc.rows("DELETE FROM inbox RETURNING 1")
    assert await told(village, author) == ["comment"]


async def test_who_is_named_in_a_topic_hears_of_it_and_who_helped_of_the_thanks(village):
    asker = await village.register()
    helper = await village.register(handle="helper")
    topic = await village.topic(asker, kind="question", content="Please @helper?")
    comment = await village.comment(helper, topic["id"])
    path = f"/v1/forum/topics/{topic['id']}/accepted"
    assert (await village.call("PUT", path, asker, json={"comment_id": comment["id"]})).status_code == 200
    assert await told(village, helper) == ["accepted", "mention"]
    assert await told(village, asker) == ["comment"]


async def test_a_muted_topic_is_silent_even_when_one_is_named(village):
    author = await village.register(handle="hermit")
    topic = await village.topic(author)
    path = f"/v1/forum/topics/{topic['id']}/subscription"
    assert (await village.get(path, author))["level"] == "watching"
    assert (await village.call("PUT", path, author, json={"level": "muted"})).json() == {"level": "muted"}
    await village.comment(author, topic["id"])
    await village.comment(new_id(), topic["id"], "@hermit, come out!")
    assert (await village.get(path, author))["level"] == "muted"
    assert await told(village, author) == []


async def test_a_reader_may_watch_a_topic_and_stop_watching(village):
    reader = await village.register()
    topic = await village.topic(await village.register())
    path = f"/v1/forum/topics/{topic['id']}/subscription"
    await village.call("PUT", path, reader, json={})
    await village.comment(new_id(), topic["id"])
    assert await told(village, reader) == ["comment"]
    for _ in range(2):
        assert (await village.call("DELETE", path, reader)).status_code == 204
    await village.comment(new_id(), topic["id"])
    assert await told(village, reader) == ["comment"]
    assert (await village.call("PUT", path, reader, json={"level": "loud"})).status_code == 422
    unknown = f"/v1/forum/topics/{new_id()}/subscription"
    assert (await village.call("PUT", unknown, reader, json={})).status_code == 404


async def test_what_was_seen_stays_listed_and_is_no_longer_counted(village):
    author = await village.register()
    topic = await village.topic(author)
    for _ in range(3):
        await village.comment(new_id(), topic["id"])
    await village.hear_itself()
    items = (await village.get("/v1/notifications", author))["items"]
    stranger = await village.call("POST", "/v1/notifications/seen", new_id(), json={"ids": [items[0]["id"]]})
    assert stranger.status_code == 204
    assert await unseen(village, author) == 3
    await village.call("POST", "/v1/notifications/seen", author, json={"ids": [items[0]["id"]]})
    assert await unseen(village, author) == 2
    await village.call("POST", "/v1/notifications/seen", author, json={})
    assert await unseen(village, author) == 0
    assert await told(village, author, unseen=True) == []
    assert len(await told(village, author)) == 3


@pytest.mark.parametrize("gone", ["topic", "comment"])
async def test_of_what_was_removed_only_its_removal_is_told(village, gone):
    author, other = await village.register(), await village.register()
    topic = await village.topic(author)
    comment = await village.comment(other, topic["id"])
    await village.hear_itself()
    path = f"/v1/forum/topics/{topic['id']}" if gone == "topic" else f"/v1/forum/comments/{comment['id']}"
    await village.call("DELETE", path, new_id(), roles=["moderator"])
    assert await told(village, author) == (["removed"] if gone == "topic" else [])
    assert await unseen(village, author) == (1 if gone == "topic" else 0)
    await village.call("POST", f"{path}/restore", new_id(), roles=["moderator"])
    assert await told(village, author) == ["comment"]


async def test_a_post_removed_before_it_was_heard_of_tells_nobody(village):
    author = await village.register()
    topic = await village.topic(author)
    comment = await village.comment(new_id(), topic["id"])
    await village.call("DELETE", f"/v1/forum/comments/{comment['id']}", new_id(), roles=["moderator"])
    assert await told(village, author) == []
    assert await village.svc.rows("SELECT 1 FROM notifications") == []


async def test_notifications_are_pages_of_one_s_own(village):
    author = await village.register()
    topic = await village.topic(author)
    for _ in range(5):
        await village.comment(new_id(), topic["id"])
    await village.hear_itself()
    whole = (await village.get("/v1/notifications", author))["items"]
    first = await village.get("/v1/notifications", author, limit=3)
    rest = await village.get("/v1/notifications", author, limit=3, cursor=first["next_cursor"])
    assert first["items"] + rest["items"] == whole
    stranger = await village.call("GET", "/v1/notifications", new_id(), params={"cursor": first["next_cursor"]})
    assert stranger.status_code == 400
    assert (await village.call("GET", "/v1/notifications")).status_code == 401
    assert (await village.get("/v1/notifications", new_id()))["items"] == []


SETTINGS = "/v1/notifications/settings"
ALL = {"mention": True, "reply": True, "comment": True, "accepted": True}


async def test_users_hear_only_of_the_kinds_they_want(village):
    author, other = await village.register(handle="ann"), await village.register()
    topic = await village.topic(author)
    assert await village.get(SETTINGS, author) == ALL
    saved = await village.call("PUT", SETTINGS, author, json={"comment": False})
    assert (saved.status_code, saved.json()) == (200, ALL | {"comment": False})
    assert await village.get(SETTINGS, author) == ALL | {"comment": False}
    await village.comment(other, topic["id"])
    assert await told(village, author) == []
    await village.comment(other, topic["id"], "Well, @ann!")
    assert await told(village, author) == ["mention"]
    assert await village.get(SETTINGS, other) == ALL


async def test_wishes_are_yes_or_no_and_of_known_kinds(village):
    user = await village.register()
    for body in ({"comment": "perhaps"}, {"removed": False}, {"mention": None}, []):
        assert (await village.call("PUT", SETTINGS, user, json=body)).status_code == 422
    assert (await village.call("GET", SETTINGS)).status_code == 401
    assert (await village.call("PUT", SETTINGS, json={})).status_code == 401


async def test_a_topic_that_was_read_has_no_more_news_for_its_reader_alone(village):
    author, watcher, other = await village.register(), await village.register(), await village.register()
    topic, unread = await village.topic(author), await village.topic(author)
    await village.call("PUT", f"/v1/forum/topics/{topic['id']}/subscription", watcher, json={})
    village.svc.clock.advance(1)
    for each in (topic, unread):
        await village.comment(other, each["id"])
    await village.hear_itself()
    assert (await village.call("PUT", f"/v1/forum/topics/{topic['id']}/read", author)).status_code == 204
    assert (await unseen(village, author), await unseen(village, watcher)) == (1, 1)
    assert (await village.call("PUT", f"/v1/forum/topics/{new_id()}/read", author)).status_code == 404
    assert (await village.call("PUT", f"/v1/forum/topics/{topic['id']}/read")).status_code == 401
