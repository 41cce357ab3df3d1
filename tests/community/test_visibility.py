"""What is deleted or removed is nowhere: not in lists, searches, threads, histories, notices, counts or tags."""

import pytest

from shared.ids import new_id

SECRET = "quicksilver"


async def remove(village, path, author, how):
    if how == "deleted":
        assert (await village.call("DELETE", path, author)).status_code == 204
    else:
        assert (await village.call("DELETE", path, new_id(), roles=["moderator"])).status_code == 204


async def public_places(village, topic, comment, reader):
    """Every place where a reader could meet the words, as one text."""
    home, said = f"/v1/forum/topics/{topic['id']}", f"/v1/forum/comments/{comment['id']}"
    paths = [
        *(f"/v1/forum/topics?sort={sort}" for sort in ("hot", "new", "top", "active")),
        *("/v1/forum/topics?category=general", "/v1/forum/topics?tag=mercury", "/v1/forum/topics?pinned=true"),
        f"/v1/forum/topics?author={topic['user_id']}",
        *(f"/v1/forum/search?q={SECRET}", "/v1/forum/search?q=quicksilver&tag=mercury", "/v1/notifications"),
        *(home, f"{home}/comments", f"{home}/comments?sort=new", f"{home}/revisions", f"{home}/revisions/1/diff"),
        *(f"{home}/subscription", f"{said}/revisions", f"{said}/revisions/1/diff"),
    ]
    answers = [await village.call("GET", path, reader) for path in paths]
    assert {answer.status_code for answer in answers} <= {200, 404} | (set() if reader else {401})
    return "\n".join(f"{answer.text} {dict(answer.headers)}" for answer in answers)


@pytest.mark.parametrize("reader", ["nobody", "somebody", "moderator's friend"])
@pytest.mark.parametrize("how", ["deleted", "removed"])
async def test_a_removed_topic_leaves_no_word_behind(village, how, reader):
    author, watcher = await village.register(), await village.register(handle="watcher")
    topic = await village.topic(author, title=f"{SECRET} title", content=f"{SECRET} @watcher", tags=["mercury"])
    await village.call("POST", f"/v1/forum/topics/{topic['id']}/pin", new_id(), roles=["moderator"])
    comment = await village.comment(author, topic["id"], f"{SECRET} comment")
    await village.hear_itself()
    who = {"nobody": None, "somebody": new_id(), "moderator's friend": watcher}[reader]
    assert SECRET in await public_places(village, topic, comment, watcher)
    await remove(village, f"/v1/forum/topics/{topic['id']}", author, how)
    left = await public_places(village, topic, comment, who)
    assert SECRET not in left
    assert topic["id"] not in left.replace(f"/v1/forum/topics/{topic['id']}", "")
    if who:
        assert (await village.get("/v1/notifications/count", watcher))["unseen"] == 0


@pytest.mark.parametrize("how", ["deleted", "removed"])
async def test_a_removed_comment_leaves_its_place_and_no_word(village, how):
    author, helper = await village.register(), await village.register()
    topic = await village.topic(author, kind="question")
    comment = await village.comment(helper, topic["id"], SECRET)
    path = f"/v1/forum/topics/{topic['id']}"
    body = {"comment_id": comment["id"]}
    await village.call("PUT", f"{path}/accepted", author, json=body)
    await village.hear_itself()
    await remove(village, f"/v1/forum/comments/{comment['id']}", helper, how)
    left = await public_places(village, topic, comment, author)
    assert SECRET not in left
    assert str(helper) not in left
    shown = await village.get(path)
    assert (shown["comment_count"], shown["accepted_comment_id"]) == (0, None)
    assert (await village.call("PUT", f"{path}/accepted", author, json=body)).status_code == 404


async def test_drafts_of_the_faq_are_nobody_s_to_read(village):
    item = {"question": f"{SECRET}?", "answer": f"{SECRET}.", "category": "account", "status": "draft"}
    made = (await village.admin("POST", "/v1/admin/community/faq", item)).json()
    for path in ("/v1/faq", f"/v1/faq?q={SECRET}", "/v1/faq?category=account", f"/v1/faq/{made['slug']}"):
        assert SECRET not in (await village.call("GET", path, new_id())).text
    voted = await village.call("POST", f"/v1/faq/{made['id']}/feedback", new_id(), json={"helpful": True})
    assert voted.status_code == 404
    assert SECRET not in str(await village.svc.published("faq.item_published"))


async def test_names_and_tags_are_data_and_never_markup(village):
    nasty = '"><script>alert(1)</script>'
    author = await village.register(handle="plain", display_name=nasty)
    topic = await village.topic(author, title=nasty)
    answer = await village.call("GET", f"/v1/forum/topics/{topic['id']}")
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.json()["title"], answer.json()["author"]["display_name"]) == (nasty, nasty)
    assert answer.json()["slug"] == "script-alert-1-script"
    refused = await village.call(
        "POST", "/v1/forum/topics", author, json={"title": "x", "content": "x", "tags": [nasty]}
    )
    assert refused.status_code == 422
