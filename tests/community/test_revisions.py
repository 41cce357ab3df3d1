"""Edits keep what was said before, previews keep nothing, and nobody reads the history of what was removed."""

import pytest

from services.community.forum.usecases.revisions import MAX_COMPARED_LINES, difference
from shared.ids import new_id

GRACE_SECONDS = 300


async def edit(village, path, author, revision, **changes):
    answer = await village.call("PATCH", path, author, json=changes, headers={"If-Match": f'"{revision}"'})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_edit_keeps_the_words_before_it(village):
    author = await village.register()
    topic = await village.topic(author, title="One", content="first\nsame")
    path = f"/v1/forum/topics/{topic['id']}"
    village.svc.clock.advance(GRACE_SECONDS)
    await edit(village, path, author, 1, title="Two", content="second\nsame")
    revisions = (await village.get(f"{path}/revisions"))["items"]
    assert [(row["revision"], row["title"], row["content"]) for row in revisions] == [
        (2, "Two", "second\nsame"),
        (1, "One", "first\nsame"),
    ]
    assert revisions[1]["written_at"] == topic["created_at"]
    changed = await village.get(f"{path}/revisions/2/diff")
    assert changed["compared_to"] == 1
    assert {"-first", "+second", " same"} <= set(changed["diff"].splitlines())
    first = await village.get(f"{path}/revisions/1/diff")
    assert (first["compared_to"], first["diff"].splitlines()[-2:]) == (None, ["+first", "+same"])


async def test_a_typing_error_put_right_at_once_is_not_history(village):
    author = await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"], "frist")
    path = f"/v1/forum/comments/{comment['id']}"
    village.svc.clock.advance(GRACE_SECONDS - 1)
    assert (await edit(village, path, author, 1, content="first"))["revision"] == 2
    village.svc.clock.advance(GRACE_SECONDS)
    await edit(village, path, author, 2, content="second")
    revisions = (await village.get(f"{path}/revisions"))["items"]
    assert [(row["revision"], row["content"], row["title"]) for row in revisions] == [
        (3, "second", None),
        (2, "first", None),
    ]
    assert (await village.get(f"{path}/revisions/3/diff"))["compared_to"] == 2
    assert (await village.call("GET", f"{path}/revisions/1/diff")).json()["code"] == "revision_not_found"


async def test_new_tags_are_no_new_words(village):
    author = await village.register()
    topic = await village.topic(author)
    village.svc.clock.advance(GRACE_SECONDS)
    await edit(village, f"/v1/forum/topics/{topic['id']}", author, 1, tags=["cats"])
    assert len((await village.get(f"/v1/forum/topics/{topic['id']}/revisions"))["items"]) == 1


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_long_history_is_read_page_by_page(village, limit):
    author = await village.register()
    topic = await village.topic(author)
    path = f"/v1/forum/topics/{topic['id']}"
    for revision in range(1, 6):
        village.svc.clock.advance(GRACE_SECONDS)
        await edit(village, path, author, revision, content=f"version {revision + 1}")
    seen, cursor = [], None
    while True:
        page = await village.get(f"{path}/revisions", limit=limit, **({"cursor": cursor} if cursor else {}))
        seen += [row["revision"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [6, 5, 4, 3, 2, 1]


async def test_the_history_of_what_was_removed_is_removed(village):
    author = await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"])
    for path in (f"/v1/forum/comments/{comment['id']}", f"/v1/forum/topics/{topic['id']}"):
        assert (await village.call("DELETE", path, author)).status_code == 204
        for below in ("revisions", "revisions/1/diff"):
            assert (await village.call("GET", f"{path}/{below}", author)).status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", "99", "2147483648", "x"])
async def test_a_revision_that_never_was_is_not_found(village, number):
    topic = await village.topic(await village.register())
    answer = await village.call("GET", f"/v1/forum/topics/{topic['id']}/revisions/{number}/diff")
    assert answer.status_code in {404, 422}


async def test_very_long_texts_are_compared_as_wholes():
    before, after = "\n".join("ab" * MAX_COMPARED_LINES), "x"
    lines = (await difference(before, after)).splitlines()
    assert lines[-1] == "+x"
    assert len(lines) == 2 * MAX_COMPARED_LINES + 1


async def test_a_preview_shows_the_text_and_keeps_nothing(village):
    body = {"content": "**Hi** @ada <script>"}
    shown = await village.post("/v1/forum/preview", new_id(), body, status=200)
    assert shown == {"content_html": "<p><strong>Hi</strong> @ada &lt;script&gt;</p>\n", "mentions": ["ada"]}
    assert (await village.get("/v1/forum/topics"))["items"] == []
    assert (await village.call("POST", "/v1/forum/preview", json=body)).status_code == 401
    refused = await village.call("POST", "/v1/forum/preview", new_id(), json={"content": "[" * 2000})
    assert (refused.status_code, refused.json()["code"]) == (422, "text_too_complex")
