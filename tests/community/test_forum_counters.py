"""Scores, counts and views are what they count: after any history, under races, and after a repair."""

import asyncio

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.community.forum.usecases.recounting import find_drift
from services.community.tasks import fold_views, tidy_up
from shared.ids import new_id

PEOPLE = 3
KINDS = ["comment", "reply", "delete", "remove", "remove topic", "restore", "vote", "vote topic", "unvote", "accept"]
KINDS += ["restore", "accept", "lock", "unlock", "move"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, PEOPLE - 1),
        st.integers(0, 2),
    ),
    min_size=10,
    max_size=24,
)


async def drift(village):
    async with village.svc.runtime.database.read() as session:
        return await find_drift(session)


async def step(village, topic, comments, gone, people, action):
    """One step of a history; whether it is refused is not the matter here, only that nothing is counted wrong."""
    kind, person, number = action
    user, home = people[person], f"/v1/forum/topics/{topic['id']}"
    moderator = {"roles": ["moderator"]}
    if kind in {"comment", "reply"}:
        parent = comments[number % len(comments)] if comments and kind == "reply" else None
        answer = await village.call("POST", f"{home}/comments", user, json={"content": "Yes.", "parent_id": parent})
        comments += [answer.json()["id"]] if answer.status_code == 201 else []
        return answer
    if kind in {"lock", "unlock", "move"}:
        body = {"category": ["general", "help"][number % 2]} if kind == "move" else None
        return await village.call("POST", f"{home}/{kind}", new_id(), json=body, **moderator)
    if kind == "accept":
        body = {"comment_id": comments[number % len(comments)] if comments else str(new_id())}
        return await village.call("PUT", f"{home}/accepted", people[0], json=body)
    targets = [home] if kind.endswith("topic") or not comments else [f"/v1/forum/comments/{row}" for row in comments]
    target = targets[number % len(targets)]
    if kind == "restore":
        target = gone[number % len(gone)] if gone else target
        return await village.call("POST", f"{target}/restore", user, **moderator)
    if "vote" in kind:
        return await village.call("DELETE" if kind == "unvote" else "PUT", f"{target}/vote", user)
    gone.append(target)
    return await village.call("DELETE", target, user, **(moderator if kind.startswith("remove") else {}))


@settings(
    max_examples=14, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
@given(STEPS)
async def test_any_history_leaves_counters_that_count(village, steps):
    people = [new_id() for _ in range(PEOPLE)]
    topic, gone = await village.topic(people[0], kind="question"), []
    comments = [(await village.comment(person, topic["id"]))["id"] for person in people]
    for action in steps:
        answer = await step(village, topic, comments, gone, people, action)
        assert answer.status_code < 500, answer.text
        # Answering a removed comment is refused like answering one that never was.
        assert answer.status_code != 422 or answer.json()["code"] == "unknown_parent", answer.text
    assert await drift(village) == []
    await village.call("POST", f"/v1/forum/topics/{topic['id']}/restore", new_id(), roles=["moderator"])
    shown = (await village.get(f"/v1/forum/topics/{topic['id']}/comments", limit=100))["items"]
    readable = [row["id"] for row in shown if row["status"] == "visible"]
    seen = await village.get(f"/v1/forum/topics/{topic['id']}")
    assert seen["comment_count"] == len(readable)
    assert seen["accepted_comment_id"] in {None, *readable}


async def test_comments_written_and_removed_at_once_are_all_counted(village):
    topic = await village.topic(await village.register())
    path = f"/v1/forum/topics/{topic['id']}"
    first = [await village.comment(new_id(), topic["id"]) for _ in range(8)]
    moderator = {"roles": ["moderator"]}
    work = [
        *(village.call("POST", f"{path}/comments", new_id(), json={"content": "Me too."}) for _ in range(16)),
        *(village.call("DELETE", f"/v1/forum/comments/{row['id']}", new_id(), **moderator) for row in first * 2),
        *(village.call("PUT", f"/v1/forum/comments/{row['id']}/vote", new_id()) for row in first),
    ]
    answers = await asyncio.gather(*work)
    assert [answer.status_code for answer in answers[:16]] == [201] * 16
    assert sorted(answer.status_code for answer in answers[16:32]) == [204] * 8 + [404] * 8
    assert (await village.get(path))["comment_count"] == 16
    places = await village.svc.rows("SELECT count(DISTINCT path) AS places, count(*) AS n FROM forum_comments")
    assert places == [{"places": 24, "n": 24}]
    assert await drift(village) == []


@pytest.mark.parametrize("verb", ["restore", "delete"])
async def test_of_many_who_do_the_same_at_once_one_counts(village, verb):
    author = await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"])
    path = f"/v1/forum/comments/{comment['id']}"
    if verb == "restore":
        await village.call("DELETE", path, author)
        await asyncio.gather(*(village.call("POST", f"{path}/restore", author) for _ in range(8)))
    else:
        await asyncio.gather(*(village.call("DELETE", path, author) for _ in range(8)))
    expected = 1 if verb == "restore" else 0
    assert (await village.get(f"/v1/forum/topics/{topic['id']}"))["comment_count"] == expected
    assert await drift(village) == []


async def test_one_reader_s_many_views_at_once_and_many_folds_count_once(village):
    topic = await village.topic(await village.register())
    path, readers = f"/v1/forum/topics/{topic['id']}/view", [new_id() for _ in range(5)]
    runtime = village.svc.runtime
    await asyncio.gather(
        *(village.call("POST", path, reader) for reader in readers * 6), *(fold_views(runtime) for _ in range(4))
    )
    await asyncio.gather(*(fold_views(runtime) for _ in range(4)))
    assert (await village.get(f"/v1/forum/topics/{topic['id']}"))["views"] == len(readers)


async def test_a_new_day_counts_the_same_reader_again_and_old_days_are_forgotten(village):
    topic = await village.topic(await village.register())
    path, reader = f"/v1/forum/topics/{topic['id']}/view", new_id()
    for _ in range(4):
        await village.call("POST", path, reader)
        await fold_views(village.svc.runtime)
        village.svc.clock.advance(86_400)
    await fold_views(village.svc.runtime)
    assert (await village.get(f"/v1/forum/topics/{topic['id']}"))["views"] == 4
    [kept] = await village.svc.rows("SELECT count(*) AS n FROM topic_view_buffer")
    assert kept["n"] <= 2


async def test_networks_of_ipv6_and_browsers_tell_visitors_apart(village):
    topic = await village.topic(await village.register())
    path = f"/v1/forum/topics/{topic['id']}/view"
    for agent in ("one", "one", "other"):
        await village.call("POST", path, headers={"User-Agent": agent})
    await fold_views(village.svc.runtime)
    assert (await village.get(f"/v1/forum/topics/{topic['id']}"))["views"] == 2


MACHINES = [
    {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
    {"User-Agent": "facebookexternalhit/1.1 crawler"},
    {"User-Agent": "Slackbot-LinkExpanding 1.0"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Purpose": "prefetch"},
]


@pytest.mark.parametrize("headers", MACHINES)
async def test_machines_and_pages_loaded_ahead_are_no_views(village, headers):
    topic = await village.topic(await village.register())
    path = f"/v1/forum/topics/{topic['id']}/view"
    assert (await village.call("POST", path, headers=headers)).status_code == 204
    assert await village.svc.rows("SELECT 1 FROM topic_view_buffer") == []


async def test_a_counter_that_lies_is_found_and_repaired(village):
    author = await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"])
    await village.call("PUT", f"/v1/forum/topics/{topic['id']}/vote", new_id())
    await village.svc.rows("UPDATE forum_topics SET score = 7, comment_count = 0 RETURNING 1")
    await village.svc.rows("UPDATE forum_comments SET score = -1 RETURNING 1")
    assert sorted((entry.what, entry.stored, entry.counted) for entry in await drift(village)) == [
        ("comment count", 0, 1),
        ("comment score", -1, 0),
        ("topic score", 7, 1),
    ]
    await tidy_up(village.svc.runtime)
    assert await drift(village) == []
    assert (await village.get(f"/v1/forum/topics/{topic['id']}"))["score"] == 1
    assert comment["score"] == 0
