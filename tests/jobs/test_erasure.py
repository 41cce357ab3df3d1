"""A user who is deleted leaves no work, no file and no row here; what runs is called off first."""

import pytest

from services.jobs.erasure import erase_users
from shared.contracts.accounts import UserDeleted, UserDeletionRequested, UserRegistered
from shared.ids import new_id
from tests.support.jobs import claimed, grant_plan, ordered, picture, settle, upload
from tests.support.traces import traces_of


def wish(user_id):
    return UserDeletionRequested(request_id=new_id(), user_id=user_id, services=["jobs"], forum_content="keep")


async def left_behind(client, svc):
    """A finished job, a waiting one, an upload and a webhook endpoint."""
    await ordered(client)
    await settle(svc, await claimed(svc))
    await ordered(client)
    await upload(client, picture())
    endpoint = {"url": "https://hooks.example.com/x", "events": ["job.completed"]}
    assert (await client.post("/v1/webhook-endpoints", json=endpoint)).status_code == 201


async def test_nothing_of_a_deleted_user_is_left_but_the_tombstone(svc, client, user_id):
    await left_behind(client, svc)
    asked = wish(user_id)
    await svc.receive(asked)
    assert await erase_users(svc.runtime) == 1
    assert await traces_of(svc, user_id) == {"erasures.user_id"}
    assert await svc.runtime.storage.list("") == []
    [erased] = await svc.published("user.erased")
    assert (erased["data"]["request_id"], erased["data"]["service"]) == (str(asked.request_id), "jobs")
    assert erased["data"]["counts"]["jobs"] == 2


async def test_somebody_elses_work_is_untouched(svc, client, user_id):
    other = new_id()
    async with svc.client(other) as neighbour:
        await left_behind(neighbour, svc)
        before = await traces_of(svc, other)
        await ordered(client)
        await svc.receive(wish(user_id))
        await erase_users(svc.runtime)
        assert await traces_of(svc, other) == before
        assert len((await neighbour.get("/v1/jobs")).json()["items"]) == 2


async def test_work_that_runs_is_called_off_and_erased_when_it_has_ended(svc, client, user_id):
    await ordered(client)
    held = await claimed(svc)
    await svc.receive(wish(user_id))
    assert await erase_users(svc.runtime) == 0
    assert await settle(svc, held, "CANCELLED") == "CANCELLED"
    assert await erase_users(svc.runtime) == 1
    assert await traces_of(svc, user_id) == {"erasures.user_id"}


async def test_nothing_heard_later_brings_a_deleted_user_back_and_the_last_word_erases_nothing_twice(
    svc, client, user_id
):
    await ordered(client)
    asked = wish(user_id)
    await svc.receive(asked, sequence=5)
    await erase_users(svc.runtime)
    await grant_plan(svc, user_id)
    registered = {"handle": "h", "display_name": "n", "locale": "en", "email_fingerprint": "x"}
    await svc.receive(UserRegistered(user_id=user_id, registered_at=svc.clock.now(), **registered), sequence=1)
    await svc.receive(UserDeleted(request_id=asked.request_id, user_id=user_id, partial_services=[]), sequence=6)
    await erase_users(svc.runtime)
    assert len(await svc.published("user.erased")) == 1
    assert await traces_of(svc, user_id) <= {"erasures.user_id", "entitlements.user_id", "stream_ends.user_id"}


@pytest.mark.parametrize("crash", ["storage"])
async def test_an_erasure_that_breaks_off_is_finished_by_the_next_try(svc, client, user_id, crash, monkeypatch):
    await left_behind(client, svc)
    await svc.receive(wish(user_id))
    delete, calls = svc.runtime.storage.delete, []

    async def breaking(key):
        calls.append(key)
        if len(calls) == 1:
            raise OSError(crash)
        await delete(key)

    monkeypatch.setattr(svc.runtime.storage, "delete", breaking)
    with pytest.raises(OSError, match=crash):
        await erase_users(svc.runtime)
    assert "jobs.user_id" in await traces_of(svc, user_id)
    assert await erase_users(svc.runtime) == 1
    assert await svc.runtime.storage.list("") == []
