"""Moderators silence and ban users of the forum; reading stays open, and each step is in the log."""

import asyncio

import pytest

from shared.contracts.accounts import UserRolesChanged
from shared.ids import new_id

USERS = "/v1/admin/community/users"


async def step(village, verb, user_id, body=None, roles=("moderator",), by=None):
    return await village.call("POST", f"{USERS}/{user_id}/{verb}", by or new_id(), roles=list(roles), json=body or {})


async def attempts(village, user, topic, comment):
    """Statuses of what a user may try: new topic, comment, both edits, a vote, reading."""
    edit = {"headers": {"If-Match": '"1"'}, "json": {"content": "New words."}}
    answers = [
        await village.call("POST", "/v1/forum/topics", user, json={"title": "Me", "content": "again"}),
        await village.call("POST", f"/v1/forum/topics/{topic['id']}/comments", user, json={"content": "Me!"}),
        await village.call("PATCH", f"/v1/forum/topics/{topic['id']}", user, **edit),
        await village.call("PATCH", f"/v1/forum/comments/{comment['id']}", user, **edit),
        await village.call("PUT", f"/v1/forum/topics/{topic['foreign']}/vote", user),
        await village.call("GET", f"/v1/forum/topics/{topic['id']}", user),
    ]
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 403}
    return [answer.status_code for answer in answers], codes


async def poster(village):
    user, other = await village.register(), await village.register()
    topic = await village.topic(user)
    topic["foreign"] = (await village.topic(other))["id"]
    return user, topic, await village.comment(user, topic["id"])


async def test_a_silenced_user_reads_and_votes_and_says_nothing_until_the_time_is_over(village):
    user, topic, comment = await poster(village)
    answer = await step(village, "silence", user, {"hours": 2, "reason": "cool down"})
    assert (answer.status_code, answer.json()["banned_at"]) == (200, None)
    assert await attempts(village, user, topic, comment) == ([403, 403, 403, 403, 200, 200], {"silenced"})
    village.svc.clock.advance(2 * 3600)
    assert await attempts(village, user, topic, comment) == ([201, 201, 200, 200, 200, 200], set())


async def test_a_banned_user_only_reads_until_let_back_in(village):
    user, topic, comment = await poster(village)
    assert (await step(village, "ban", user)).json()["banned_at"] is not None
    assert await attempts(village, user, topic, comment) == ([403, 403, 403, 403, 403, 200], {"banned"})
    assert (await step(village, "ban", user, {"banned": False})).json()["banned_at"] is None
    assert (await attempts(village, user, topic, comment))[1] == set()


async def test_a_silence_is_lifted_by_no_hours_and_the_log_tells_of_both(village):
    user, topic, comment = await poster(village)
    await step(village, "silence", user, {"reason": "rude"})
    assert (await step(village, "silence", user, {"hours": 0})).json()["silenced_until"] is None
    assert (await attempts(village, user, topic, comment))[1] == set()
    log = (await village.admin("GET", "/v1/admin/community/log")).json()["items"]
    assert [(entry["action"], entry["reason"], entry["topic_id"]) for entry in log] == [
        ("unsilence", None, None),
        ("silence", "rude", None),
    ]
    assert {entry["author_id"] for entry in log} == {str(user)}


@pytest.mark.parametrize("verb", ["silence", "ban"])
async def test_only_moderators_discipline_and_never_each_other(village, verb):
    user, colleague, myself = await village.register(), await village.register(), new_id()
    await village.svc.receive(UserRolesChanged(user_id=colleague, roles=["user", "moderator"]))
    assert (await step(village, verb, user, roles=["support"])).json()["code"] == "moderators_only"
    assert (await step(village, verb, colleague)).json()["code"] == "not_against_staff"
    assert (await step(village, verb, myself, by=myself)).json()["code"] == "not_against_staff"
    assert (await village.call("POST", f"{USERS}/{user}/{verb}", json={})).status_code == 401
    assert (await step(village, verb, user, {"hours": -1, "banned": "maybe"})).status_code == 422


async def test_moderators_who_act_on_one_user_at_the_same_time_all_succeed(village):
    user = new_id()
    steps = (step(village, verb, user) for verb in ("ban", "silence") * 3)
    assert {answer.status_code for answer in await asyncio.gather(*steps)} == {200}
    [row] = await village.svc.rows("SELECT silenced_until, banned_at FROM user_standing WHERE user_id = %(u)s", u=user)
    assert None not in (row["silenced_until"], row["banned_at"])


async def test_tags_are_told_by_use_and_by_their_beginning(village):
    user = await village.register()
    for tags in (["memes", "reels"], ["memes"], ["me_too"]):
        await village.topic(user, tags=tags)
    gone = await village.topic(user, tags=["reels", "gone"])
    await village.call("DELETE", f"/v1/forum/topics/{gone['id']}", user)
    told = (await village.get("/v1/forum/tags"))["items"]
    assert [(row["tag"], row["topics"]) for row in told] == [("memes", 2), ("me_too", 1), ("reels", 1)]
    assert [row["tag"] for row in (await village.get("/v1/forum/tags", query="ME_"))["items"]] == ["me_too"]
    assert (await village.get("/v1/forum/tags", query="%"))["items"] == []
    assert len((await village.get("/v1/forum/tags", limit=1))["items"]) == 1
