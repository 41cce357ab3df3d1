"""Users change their names, are disabled and enabled, and are forgotten; what they wrote and earned follows."""

import pytest

from services.community.affiliates.usecases.balances import find_differences
from services.community.forum.usecases.recounting import find_drift
from shared.contracts.accounts import UserDeleted, UserDeletionRequested, UserDisabled, UserEnabled, UserUpdated
from shared.ids import new_id
from tests.support.community import Money
from tests.support.traces import traces_of


async def disable(village, user_id, sequence=2):
    await village.svc.receive(UserDisabled(user_id=user_id, reason="spam"), sequence=sequence)


async def enable(village, user_id, sequence=3):
    await village.svc.receive(UserEnabled(user_id=user_id, reason="mistake"), sequence=sequence)


def renamed(user_id, handle):
    return UserUpdated(user_id=user_id, handle=handle, display_name=handle.title(), changed=["handle", "display_name"])


async def test_a_new_name_stands_over_everything_they_ever_wrote(village):
    author = await village.register(handle="before", display_name="Before")
    topic = await village.topic(author)
    await village.comment(author, topic["id"])
    await village.svc.receive(renamed(author, "after"), sequence=3)
    await village.svc.receive(renamed(author, "between"), sequence=2)
    path = f"/v1/forum/topics/{topic['id']}"
    name = {"handle": "after", "display_name": "After", "is_staff": False}
    assert (await village.get(path))["author"] == name
    assert [row["author"] for row in (await village.get(f"{path}/comments"))["items"]] == [name]
    await village.topic(new_id(), content="@before @between @after")
    mentions = (await village.svc.published("forum.topic_created"))[-1]["data"]["mentions"]
    assert mentions == [str(author)]


async def test_a_name_that_is_heard_of_before_the_registration_is_the_newer_one(village):
    author = new_id()
    await village.svc.receive(renamed(author, "after"), sequence=2)
    await village.svc.receive(village.registration(author, handle="before"), sequence=1)
    assert (await village.topic(author))["author"]["handle"] == "after"


async def test_a_disabled_user_s_words_stay_and_they_add_none(village):
    author, reader = await village.register(), await village.register()
    topic = await village.topic(author)
    comment = await village.comment(author, topic["id"])
    await disable(village, author)
    path = f"/v1/forum/topics/{topic['id']}"
    assert (await village.get(path))["content"] == topic["content"]
    assert (await village.get(f"{path}/comments"))["items"][0]["content"] == comment["content"]
    attempts = [
        ("POST", "/v1/forum/topics", {"title": "More", "content": "spam"}),
        ("POST", f"{path}/comments", {"content": "spam"}),
        ("PATCH", path, {"title": "spam"}),
        ("DELETE", path, None),
        ("PUT", f"{path}/subscription", {}),
        ("POST", "/v1/forum/preview", {"content": "spam"}),
    ]
    for method, place, body in attempts:
        answer = await village.call(method, place, author, json=body, headers={"If-Match": "1"})
        assert (answer.status_code, answer.json()["code"]) == (403, "account_disabled"), place
    await village.comment(reader, topic["id"])
    await enable(village, author)
    await village.comment(author, topic["id"])


async def test_a_disabled_user_is_told_nothing_and_loses_nothing_told_before(village):
    author = await village.register(handle="gone")
    topic = await village.topic(author)
    await village.comment(new_id(), topic["id"])
    await village.hear_itself()
    await disable(village, author)
    await village.comment(new_id(), topic["id"], "@gone, are you there?")
    await village.hear_itself()
    await enable(village, author)
    assert len((await village.get("/v1/notifications", author))["items"]) == 1


async def test_nobody_earns_with_a_disabled_account(village):
    friend, code = await village.affiliate()
    customer = await village.customer(code)
    await village.pay(customer)
    village.svc.clock.advance(60)
    await disable(village, friend)
    await village.pay(customer)
    assert (await village.call("GET", f"/r/{code}")).status_code == 404
    assert (await village.me(friend))["status"] == "suspended"
    late = await village.customer(code)
    village.svc.clock.advance(60)
    await enable(village, friend)
    await village.pay(customer)
    await village.pay(late)
    assert [row["amount"] for row in await village.commissions(friend)] == [1170, 1170]
    assert (await village.me(friend))["status"] == "approved"
    assert (await village.call("GET", f"/r/{code}")).status_code == 302


async def test_enabling_an_account_does_not_undo_what_staff_decided(village):
    friend, _ = await village.affiliate()
    path = f"/v1/admin/community/affiliates/{(await village.me(friend))['id']}"
    await village.admin("POST", f"{path}/suspend")
    await disable(village, friend)
    await enable(village, friend)
    assert (await village.me(friend))["status"] == "suspended"
    await village.admin("POST", f"{path}/approve")
    await disable(village, friend, 4)
    await village.admin("POST", f"{path}/suspend")
    await enable(village, friend, 5)
    assert (await village.me(friend))["status"] == "suspended"


async def test_disabling_somebody_we_never_heard_of_is_remembered(village):
    stranger = new_id()
    await disable(village, stranger, 2)
    await village.register(stranger)
    answer = await village.call("POST", "/v1/forum/topics", stranger, json={"title": "Hi", "content": "Hi"})
    assert answer.status_code == 403


async def erase(village, user_id, content):
    body = {"forum_content": content}
    return await village.admin("POST", f"/v1/admin/community/users/{user_id}/erase", body)


async def a_busy_user(village):
    """Somebody who left something in every corner, and the topic of somebody else that they took part in."""
    user, other = await village.register(handle="busy"), await village.register()
    own, foreign = await village.topic(user, title="Mine"), await village.topic(other, kind="question")
    comment = await village.comment(user, foreign["id"], "secret")
    await village.comment(other, foreign["id"], "answer", comment["id"])
    accepted = {"json": {"comment_id": comment["id"]}}
    await village.call("PUT", f"/v1/forum/topics/{foreign['id']}/accepted", other, **accepted)
    await village.call("PUT", f"/v1/forum/topics/{foreign['id']}/vote", user)
    await village.comment(other, own["id"], "hello")
    await village.call("PUT", "/v1/notifications/settings", user, json={"reply": False})
    village.svc.clock.advance(600)
    edit = {"json": {"content": "edited"}, "headers": {"If-Match": "1"}}
    await village.call("PATCH", f"/v1/forum/comments/{comment['id']}", user, **edit)
    await village.hear_itself()
    return user, own, foreign


@pytest.mark.parametrize("content", ["keep", "blank"])
async def test_erasing_a_user_does_what_a_cascade_would(village, content):
    user, own, foreign = await a_busy_user(village)
    assert (await erase(village, user, content)).json() == {"erased": True}
    topic = await village.get(f"/v1/forum/topics/{own['id']}")
    assert topic["author"] == {"handle": None, "display_name": None, "is_staff": False}
    assert topic["content"] == ("[deleted]" if content == "blank" else own["content"])
    assert topic["comment_count"] == 1
    thread = await village.get(f"/v1/forum/topics/{foreign['id']}")
    comments = (await village.get(f"/v1/forum/topics/{foreign['id']}/comments"))["items"]
    assert [row["content"] for row in comments] == ["[deleted]" if content == "blank" else "edited", "answer"]
    assert (thread["score"], thread["comment_count"]) == (0, 1 if content == "blank" else 2)
    assert (thread["accepted_comment_id"] is None) == (content == "blank")
    assert await traces_of(village.svc, user) == {"user_standing.user_id"}
    async with village.svc.runtime.database.read() as session:
        assert await find_drift(session) == []
    words = await village.svc.rows("SELECT content FROM comment_revisions")
    assert len(words) == (0 if content == "blank" else 1)


async def test_what_is_heard_of_an_erased_user_later_is_not_kept(village):
    user = await village.register()
    assert (await erase(village, user, "keep")).json() == {"erased": True}
    assert (await erase(village, user, "blank")).json() == {"erased": False}
    await village.svc.receive(renamed(user, "ghost"), sequence=9)
    await village.register(user)
    assert await village.svc.rows("SELECT 1 FROM profiles WHERE user_id = %(user)s", user=user) == []
    answer = await village.call("POST", "/v1/forum/topics", user, json={"title": "Boo", "content": "Boo"})
    assert (answer.status_code, answer.json()["code"]) == (403, "account_disabled")


async def test_an_erased_affiliate_earns_no_more_and_their_ledger_stays(village):
    friend = await village.register()
    code = (await village.post("/v1/affiliates/apply", friend, {"payout_email": "f@friend.example"}))["code"]
    customer = await village.customer(code)
    money = await village.pay(customer)
    village.svc.clock.advance(60)
    await erase(village, friend, "keep")
    await village.svc.receive(Money(customer, village.svc.clock.now()).paid())
    await village.svc.receive(money.refunded(1950), sequence=2)
    [row] = await village.svc.rows("SELECT payout_email, status FROM affiliates")
    assert (row["payout_email"], row["status"]) == (None, "suspended")
    assert [row["amount"] for row in await village.svc.rows("SELECT amount FROM commissions")] == [585]
    async with village.svc.runtime.database.read() as session:
        assert await find_differences(session) == []


async def test_only_staff_erase(village):
    user = await village.register()
    path, body = f"/v1/admin/community/users/{user}/erase", {"forum_content": "keep"}
    assert (await village.call("POST", path, user, json=body)).status_code == 403
    assert (await village.call("POST", path, user, json=body, roles=["moderator"])).status_code == 403
    assert (await village.admin("POST", path, {"forum_content": "burn"})).status_code == 422


@pytest.mark.parametrize("content", ["keep", "blank"])
async def test_a_deletion_erases_here_what_was_asked_and_is_confirmed_once(village, content):
    user, own, _ = await a_busy_user(village)
    asked = {"request_id": new_id(), "user_id": user}
    await village.svc.receive(UserDeletionRequested(**asked, services=["community"], forum_content=content), sequence=8)
    await village.svc.receive(UserDeleted(**asked, partial_services=[]), sequence=9)
    topic = await village.get(f"/v1/forum/topics/{own['id']}")
    assert topic["author"]["handle"] is None
    assert (topic["title"] == "[deleted]") is (content == "blank")
    [erased] = await village.svc.published("user.erased")
    assert (erased["data"]["service"], erased["data"]["request_id"]) == ("community", str(asked["request_id"]))
