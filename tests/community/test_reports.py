"""Readers call moderators to a post; one decision answers everybody who called."""

import asyncio

import pytest

from shared.ids import new_id

QUEUE = "/v1/admin/community/reports"


async def report(village, path, reader=None, reason="spam", **body):
    return await village.call("POST", f"{path}/report", reader or new_id(), json={"reason": reason, **body})


async def queue(village, state="open"):
    answer = await village.call("GET", QUEUE, new_id(), roles=["moderator"], params={"state": state})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def resolve(village, report_id, decision, roles=("moderator",)):
    path = f"{QUEUE}/{report_id}/resolve"
    return await village.call("POST", path, new_id(), roles=list(roles), json={"decision": decision})


async def posts(village):
    """A topic and a comment of one author, by their paths."""
    author = await village.register()
    topic = await village.topic(author, content="buy pills")
    comment = await village.comment(author, topic["id"], "cheap pills")
    return author, f"/v1/forum/topics/{topic['id']}", f"/v1/forum/comments/{comment['id']}"


async def test_a_report_waits_in_the_queue_with_the_words_it_is_about(village):
    author, topic, comment = await posts(village)
    reader = new_id()
    assert (await report(village, topic, reader, note=" again ")).status_code == 204
    assert (await report(village, comment, reader, "abuse")).status_code == 204
    first, second = await queue(village)
    assert (first["content"], first["note"], first["comment_id"]) == ("buy pills", "again", None)
    assert (second["content"], second["reason"], second["status"]) == ("cheap pills", "abuse", "visible")
    assert {first["author_id"], second["author_id"]} == {str(author)}
    assert first["reporter_id"] == str(reader)


async def test_reporting_twice_is_reporting_once_even_at_the_same_time(village):
    _, topic, comment = await posts(village)
    reader = new_id()
    for path in (topic, comment):
        answers = await asyncio.gather(*(report(village, path, reader) for _ in range(4)))
        assert {answer.status_code for answer in answers} == {204}
    assert len(await queue(village)) == 2


@pytest.mark.parametrize("kind", ["topic", "comment"])
async def test_a_post_that_is_removed_answers_all_its_reports(village, kind):
    author, topic, comment = await posts(village)
    path = topic if kind == "topic" else comment
    for _ in range(3):
        await report(village, path)
    [first, *_] = await queue(village)
    decided = await resolve(village, first["id"], "remove")
    assert (decided.status_code, decided.json()["state"]) == (200, "upheld")
    assert await queue(village) == []
    assert len(await queue(village, "upheld")) == 3
    assert (await village.call("DELETE", path, author)).status_code == 404
    log = (await village.admin("GET", "/v1/admin/community/log")).json()["items"]
    assert [(entry["action"], entry["reason"]) for entry in log] == [("remove", "reported: spam")]


async def test_moderators_who_decide_at_the_same_time_take_turns(village):
    _, topic, _ = await posts(village)
    for _ in range(4):
        await report(village, topic)
    rows = await queue(village)
    answers = await asyncio.gather(*(resolve(village, row["id"], "remove") for row in rows))
    assert {(answer.status_code, answer.json()["state"]) for answer in answers} == {(200, "upheld")}
    assert len(await village.svc.published("forum.topic_removed")) == 1


async def test_a_dismissed_report_leaves_the_post_and_the_first_decision_stands(village):
    _, topic, comment = await posts(village)
    reader = new_id()
    await report(village, topic, reader)
    await report(village, comment)
    first, other = await queue(village)
    assert (await resolve(village, first["id"], "dismiss")).json()["state"] == "dismissed"
    assert (await resolve(village, first["id"], "remove")).json()["state"] == "dismissed"
    assert (await village.call("GET", topic)).status_code == 200
    assert [row["id"] for row in await queue(village)] == [other["id"]]
    await report(village, topic, reader)
    assert len(await queue(village)) == 1


async def test_a_post_that_was_gone_before_the_decision_is_still_decided(village):
    author, topic, comment = await posts(village)
    await report(village, comment)
    await report(village, topic)
    rows = await queue(village)
    await village.call("DELETE", topic, author)
    for row in rows:
        assert (await resolve(village, row["id"], "remove")).json()["state"] == "upheld"
    assert await queue(village) == []


async def test_only_moderators_see_and_decide(village):
    author, topic, _ = await posts(village)
    await report(village, topic)
    [row] = await queue(village)
    for roles in ([], ["support"]):
        assert (await village.call("GET", QUEUE, author, roles=roles)).json()["code"] == "moderators_only"
        assert (await resolve(village, row["id"], "remove", roles)).json()["code"] == "moderators_only"
    assert (await village.call("GET", QUEUE)).status_code == 401
    assert (await resolve(village, new_id(), "remove")).json()["code"] == "report_not_found"
    assert (await resolve(village, row["id"], "burn")).status_code == 422


async def test_what_cannot_be_seen_or_is_one_s_own_cannot_be_reported(village):
    author, topic, comment = await posts(village)
    assert (await report(village, topic, author)).json()["code"] == "self_report"
    await village.call("DELETE", topic, author)
    for path in (topic, comment, f"/v1/forum/topics/{new_id()}"):
        assert (await report(village, path)).status_code == 404
    assert (await report(village, comment, reason="boring")).status_code == 422


async def claim(village, report_id, moderator, roles=("moderator",)):
    return await village.call("POST", f"{QUEUE}/{report_id}/claim", moderator, roles=list(roles))


async def test_one_moderator_looks_into_a_report_until_the_claim_goes_cold(village):
    _, topic, _ = await posts(village)
    await report(village, topic)
    [row] = await queue(village)
    first, second = new_id(), new_id()
    assert (await claim(village, row["id"], first)).json()["claimed_by"] == str(first)
    assert (await claim(village, row["id"], first)).status_code == 200
    taken = await claim(village, row["id"], second)
    assert (taken.status_code, taken.json()["code"]) == (409, "report_claimed")
    village.svc.clock.advance(3601)
    assert (await claim(village, row["id"], second)).json()["claimed_by"] == str(second)
    [row] = await queue(village)
    assert row["claimed_by"] == str(second)
    await resolve(village, row["id"], "dismiss")
    assert (await claim(village, row["id"], second)).json()["code"] == "report_decided"


async def test_of_moderators_who_claim_at_once_one_has_it(village):
    _, topic, _ = await posts(village)
    await report(village, topic)
    [row] = await queue(village)
    answers = await asyncio.gather(*(claim(village, row["id"], new_id()) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


async def test_only_moderators_claim_and_only_what_there_is(village):
    _, topic, _ = await posts(village)
    await report(village, topic)
    [row] = await queue(village)
    assert (await claim(village, row["id"], new_id(), ["support"])).json()["code"] == "moderators_only"
    assert (await claim(village, new_id(), new_id())).json()["code"] == "report_not_found"
