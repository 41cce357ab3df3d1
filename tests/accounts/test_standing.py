"""What staff see of a user's plan and subscription: billing's words, the newest of each."""

from datetime import timedelta

import pytest

from shared.contracts.billing import (
    SUBSCRIPTION_FACTS,
    EntitlementChanged,
    SubscriptionActivated,
    SubscriptionEnded,
    SubscriptionPastDue,
)
from shared.ids import new_id
from tests.support.accounts import register, register_admin

USERS = "/v1/admin/accounts/users"


def told(svc, kind, user_id, subscription_id, *, days=0, **facts):
    start = svc.clock.now() + timedelta(days=days)
    given = {"plan_id": "viral", "status": "active", "period_start": start, "period_end": start + timedelta(days=30)}
    return kind(subscription_id=subscription_id, user_id=user_id, **{**given, **facts})


@pytest.fixture
async def seen(svc):
    """The user, and what an administrator sees of them."""
    account, admin = await register(svc), await register_admin(svc)

    async def look():
        answer = await admin.client.get(f"{USERS}/{account.id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    return account, look


async def test_staff_see_the_free_plan_of_who_never_bought_anything(seen):
    account, look = seen
    shown = await look()
    assert (shown["plan_id"], shown["subscription"]) == ("free", None)
    assert shown["email"] == account.email


async def test_staff_see_how_a_subscription_stands_now_however_late_an_older_word_arrives(svc, seen):
    account, look = seen
    one = new_id()
    await svc.receive(told(svc, SubscriptionPastDue, account.id, one, status="past_due"), sequence=5)
    await svc.receive(told(svc, SubscriptionActivated, account.id, one), sequence=1)
    assert (await look())["subscription"]["status"] == "past_due"


async def test_staff_see_the_subscription_that_began_last(svc, seen):
    account, look = seen
    old, new = new_id(), new_id()
    await svc.receive(told(svc, SubscriptionActivated, account.id, new, plan_id="creator"), sequence=1)
    await svc.receive(told(svc, SubscriptionEnded, account.id, old, days=-60, status="canceled"), sequence=9)
    shown = (await look())["subscription"]
    assert (shown["subscription_id"], shown["plan_id"], shown["cancel_at"]) == (str(new), "creator", None)


async def test_staff_see_the_plan_that_counts(svc, seen):
    account, look = seen
    limits = {"period_anchor": svc.clock.now(), "limits": {"images": 1500}, "max_running": 4, "weight": 6}
    await svc.receive(EntitlementChanged(user_id=account.id, version=3, plan_id="viral", status="active", **limits))
    assert (await look())["plan_id"] == "viral"


@pytest.mark.parametrize("kind", SUBSCRIPTION_FACTS, ids=lambda kind: kind.event_type)
async def test_every_word_about_a_subscription_is_heard_and_one_about_an_erased_user_skipped(shared_svc, kind):
    account = await register(shared_svc)
    for user_id in (account.id, new_id()):
        await shared_svc.receive(told(shared_svc, kind, user_id, new_id(), status=kind.event_type), sequence=1)
    kept = await shared_svc.rows("SELECT user_id FROM user_subscriptions WHERE status = %(kind)s", kind=kind.event_type)
    assert [row["user_id"] for row in kept] == [account.id]
