"""Of a deleted user no word is left in chat, and nothing that is heard later brings them back."""

from shared.contracts.accounts import UserDeleted, UserDeletionRequested, UserRegistered, UserUpdated
from shared.contracts.jobs import BatchCompleted, JobCreated
from shared.ids import new_id
from tests.support.chat import CANCEL_QUESTION, answer_to, grant_messages, say, start
from tests.support.traces import traces_of


def wish(user_id):
    return UserDeletionRequested(request_id=new_id(), user_id=user_id, services=["chat"], forum_content="keep")


async def told_of(svc, user_id):
    """What other services tell of a user."""
    names = {"handle": "h", "display_name": "n"}
    registered = {**names, "locale": "en", "email_fingerprint": "x", "registered_at": svc.clock.now()}
    await svc.receive(UserRegistered(user_id=user_id, **registered), sequence=1)
    await svc.receive(UserUpdated(user_id=user_id, changed=["handle"], **names), sequence=2)
    work = {"job_id": new_id(), "family": "ai", "tool": "memes", "units": {}, "attempt": 1}
    await svc.receive(JobCreated(user_id=user_id, **work))
    await svc.receive(BatchCompleted(batch_id=new_id(), user_id=user_id, counts={"COMPLETED": 1}))
    await grant_messages(svc, user_id, 50)


async def test_nothing_of_a_deleted_user_is_left_but_the_tombstone(svc, client, chat, user_id):
    await told_of(svc, user_id)
    await answer_to(client, chat, CANCEL_QUESTION)
    await say(client, await start(client), "half said")
    asked = wish(user_id)
    await svc.receive(asked, sequence=7)
    assert await traces_of(svc, user_id) == {"erased_users.user_id", "stream_ends.user_id"}
    assert await svc.rows("SELECT 1 FROM chat_messages") == []
    [erased] = await svc.published("user.erased")
    assert (erased["data"]["service"], erased["data"]["counts"]) == ("chat", {"chat_sessions": 2})


async def test_nothing_heard_later_brings_a_deleted_user_back(svc, user_id):
    asked = wish(user_id)
    await svc.receive(asked, sequence=7)
    await told_of(svc, user_id)
    await svc.receive(UserDeleted(request_id=asked.request_id, user_id=user_id, partial_services=[]), sequence=8)
    assert await traces_of(svc, user_id) == {"erased_users.user_id", "stream_ends.user_id"}
    assert len(await svc.published("user.erased")) == 1


async def test_somebody_elses_words_stay(svc, client, chat, user_id):
    await answer_to(client, chat, CANCEL_QUESTION)
    await svc.receive(wish(new_id()))
    assert len((await client.get(f"/v1/chat/sessions/{chat['id']}/messages")).json()["items"]) == 2
