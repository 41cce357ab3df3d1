"""Of a deleted user billing keeps what the law wants kept, sells nothing more, and forgets who it was."""

import pytest

from services.billing.tasks import follow_accounts
from shared.contracts.accounts import UserDeleted, UserDeletionRequested, UserEmailChanged, UserEnabled
from shared.ids import new_id


@pytest.mark.parametrize("word", ["requested", "deleted"])
async def test_a_deleted_user_is_charged_no_further_period_and_known_by_number_only(shop, word):
    user = await shop.register()
    await shop.svc.receive(UserEmailChanged(user_id=user, email="buyer@atelier.test"))
    await shop.buy(user)
    asked = {"request_id": new_id(), "user_id": user}
    wish = UserDeletionRequested(**asked, services=["billing"], forum_content="keep")
    last = UserDeleted(**asked, partial_services=["billing"])
    await shop.svc.receive(wish if word == "requested" else last, sequence=8)
    await follow_accounts(shop.svc.runtime)
    await shop.advance(40)
    assert len(await shop.payments(user)) == 1
    [kept] = await shop.svc.rows("SELECT email FROM billing_customers WHERE user_id = %(u)s", u=user)
    assert kept["email"] is None
    assert len(await shop.svc.published("user.erased")) == 1


async def test_nothing_heard_later_brings_a_deleted_user_back(shop):
    user = await shop.register()
    asked = {"request_id": new_id(), "user_id": user}
    await shop.svc.receive(UserDeletionRequested(**asked, services=["billing"], forum_content="keep"), sequence=8)
    await shop.svc.receive(UserEmailChanged(user_id=user, email="late@atelier.test"), sequence=3)
    await shop.svc.receive(UserEnabled(user_id=user, reason=""), sequence=4)
    await shop.svc.receive(UserDeleted(**asked, partial_services=[]), sequence=9)
    [kept] = await shop.svc.rows("SELECT email, disabled_at FROM billing_customers WHERE user_id = %(u)s", u=user)
    assert kept["email"] is None
    assert kept["disabled_at"] is not None
    assert len(await shop.svc.published("user.erased")) == 1
    async with shop.svc.client(user) as client:
        answer = await client.post("/v1/billing/checkout", json={"plan_id": "viral", "interval": "month"})
    assert (answer.status_code, answer.json()["code"]) == (403, "account_disabled")
