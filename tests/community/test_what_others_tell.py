"""What accounts and billing tell of users changes what the forum shows and allows; moderators' removals are told."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from services.community.tasks import tidy_up
from shared.contracts.accounts import SessionRevoked, UserDisabled, UserRolesChanged
from shared.contracts.billing import EntitlementChanged
from shared.identity import IDENTITY_HEADER
from shared.ids import new_id
from tests.support import loopback
from tests.support.callers import identity_token
from tests.support.community import open_village


def entitlement(village, user_id, version, plan_id):
    return EntitlementChanged(
        user_id=user_id,
        version=version,
        plan_id=plan_id,
        status="active",
        limits={},
        max_running=1,
        weight=1,
        period_anchor=village.svc.clock.now(),
    )


async def is_staff(village, topic):
    return (await village.get(f"/v1/forum/topics/{topic['id']}"))["author"]["is_staff"]


async def test_readers_see_who_of_the_staff_writes_as_long_as_they_are_staff(village):
    author = await village.register()
    topic = await village.topic(author)
    assert await is_staff(village, topic) is False
    await village.svc.receive(UserRolesChanged(user_id=author, roles=["moderator", "user"]), sequence=5)
    assert await is_staff(village, topic) is True
    await village.svc.receive(UserRolesChanged(user_id=author, roles=["user"]), sequence=4)
    assert await is_staff(village, topic) is True
    await village.svc.receive(UserRolesChanged(user_id=author, roles=["user"]), sequence=6)
    assert await is_staff(village, topic) is False


async def test_roles_told_before_the_registration_count_and_those_told_after_the_erasure_do_not(village):
    author = new_id()
    await village.svc.receive(UserRolesChanged(user_id=author, roles=["admin"]), sequence=2)
    await village.register(author)
    assert await is_staff(village, await village.topic(author)) is True
    await village.admin("POST", f"/v1/admin/community/users/{author}/erase", {"forum_content": "keep"})
    await village.svc.receive(UserRolesChanged(user_id=author, roles=["admin"]), sequence=9)
    [kept] = await village.svc.rows("SELECT roles FROM user_standing WHERE user_id = %(id)s", id=author)
    assert kept["roles"] == []


async def posted(village, user_id):
    body = {"title": "Cats", "content": "Again."}
    return (await village.call("POST", "/v1/forum/topics", user_id, json=body)).status_code


async def test_who_pays_may_post_more_and_who_stops_paying_no_longer():
    async with open_village(topics_per_hour=2, paying_factor=2) as village:
        poor, rich, former = [await village.register() for _ in range(3)]
        for user_id in (rich, former):
            await village.svc.receive(entitlement(village, user_id, 2, "viral"))
            await village.svc.receive(entitlement(village, user_id, 1, "free"))
        await village.svc.receive(entitlement(village, former, 3, "free"))
        assert [await posted(village, poor) for _ in range(3)] == [201, 201, 429]
        assert [await posted(village, rich) for _ in range(5)] == [201, 201, 201, 201, 429]
        assert [await posted(village, former) for _ in range(3)] == [201, 201, 429]


async def notices(village, user_id):
    await village.hear_itself()
    return (await village.get("/v1/notifications", user_id))["items"]


async def test_an_author_hears_why_a_moderator_took_their_topic_down_but_not_which(village):
    author = await village.register()
    topic = await village.topic(author, title="Buy now")
    await village.comment(new_id(), topic["id"])
    assert [notice["kind"] for notice in await notices(village, author)] == ["comment"]
    path = f"/v1/forum/topics/{topic['id']}"
    assert (await village.admin("DELETE", path, params={"reason": "Advertising"})).status_code == 204
    [notice] = await notices(village, author)
    assert (notice["kind"], notice["reason"], notice["topic_title"]) == ("removed", "Advertising", "Buy now")
    assert notice["actor"] == {"handle": None, "display_name": None, "is_staff": False}
    assert (await village.admin("POST", f"{path}/restore")).status_code == 200
    assert [notice["kind"] for notice in await notices(village, author)] == ["comment"]


async def test_what_an_author_deletes_is_no_news_to_them(village):
    author = await village.register()
    topic = await village.topic(author)
    assert (await village.call("DELETE", f"/v1/forum/topics/{topic['id']}", author)).status_code == 204
    assert await notices(village, author) == []


@pytest.fixture
async def base(village):
    async with loopback.served(village.svc.app, loopback.listening_socket()) as url:
        yield url


@asynccontextmanager
async def listening(base, user_id, session_id=None):
    """An open stream of notifications; yields a function that gives the next event as (name, data), None at the end."""
    claims = {"sid": str(session_id)} if session_id else {}
    headers = {IDENTITY_HEADER: identity_token("community", user_id, **claims)}
    async with (
        httpx.AsyncClient(base_url=base, timeout=30) as client,
        client.stream("GET", "/v1/notifications/stream", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        events = loopback.read_events(answer)

        async def following():
            event = await asyncio.wait_for(anext(events, None), 30)
            return event and (event[0], event[2])

        yield following


async def test_a_stream_tells_how_many_wait_and_then_each_new_notification_once(village, base):
    author = await village.register()
    topic = await village.topic(author)
    async with listening(base, author) as following:
        assert await following() == ("notifications.snapshot", {"unseen": 0})
        for position in (1, 2):
            await village.comment(new_id(), topic["id"], f"Answer {position}")
            await village.hear_itself()
            name, data = await following()
            assert (name, data["unseen"], data["notification"]["kind"]) == ("notification.created", position, "comment")


async def test_a_stream_tells_nobody_else_s_notifications(village, base):
    author, other = await village.register(), await village.register()
    topic, elsewhere = await village.topic(author), await village.topic(other)
    async with listening(base, author) as following:
        await following()
        await village.comment(new_id(), elsewhere["id"])
        await village.comment(new_id(), topic["id"])
        await village.hear_itself()
        assert (await following())[1]["notification"]["topic_id"] == topic["id"]


@pytest.mark.parametrize("all_of_them", [True, False])
async def test_a_revoked_session_s_stream_ends_and_another_s_goes_on(village, base, all_of_them):
    author, mine, other = await village.register(), new_id(), new_id()
    topic = await village.topic(author)
    async with listening(base, author, mine) as following, listening(base, author, other) as other_following:
        await following()
        await other_following()
        ids = [] if all_of_them else [mine]
        await village.svc.receive(SessionRevoked(user_id=author, session_ids=ids, all=all_of_them))
        assert await following() is None
        if all_of_them:
            assert await other_following() is None
        else:
            await village.comment(new_id(), topic["id"])
            await village.hear_itself()
            assert (await other_following())[0] == "notification.created"


async def test_a_disabled_user_s_streams_end(village, base):
    author = await village.register()
    async with listening(base, author) as following:
        await following()
        await village.svc.receive(UserDisabled(user_id=author, reason="spam"), sequence=2)
        assert await following() is None


async def test_old_orders_to_end_streams_are_forgotten_and_fresh_ones_kept(village):
    old, fresh = await village.register(), await village.register()
    await village.svc.receive(SessionRevoked(user_id=old, all=True))
    await village.svc.rows("UPDATE stream_ends SET ended_at = now() - interval '2 hours' RETURNING 1")
    await village.svc.receive(SessionRevoked(user_id=fresh, all=True))
    await tidy_up(village.svc.runtime)
    assert [row["user_id"] for row in await village.svc.rows("SELECT user_id FROM stream_ends")] == [fresh]
