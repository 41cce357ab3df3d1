"""What arrives at the webhook: genuine, repeated, forged, malformed."""

import asyncio
import hashlib
import hmac
import json
import time

import pytest
import stripe
from prometheus_client import REGISTRY
from sqlalchemy import text

from services.billing.usecases.webhooks import HANDLED, forget_webhooks
from shared.breaker import REST_SECONDS
from shared.ids import new_id
from tests.support.billing import WEBHOOK_SECRET, open_shop

PATH = "/v1/webhooks/stripe"


def event(**overrides):
    body = {
        "id": "evt_1",
        "object": "event",
        "type": "customer.subscription.updated",
        "livemode": False,
        "created": int(time.time()),
        "data": {"object": {"id": "sub_unknown", "object": "subscription", "customer": "cus_x"}},
    }
    return json.dumps({**body, **overrides}).encode()


def signed(body: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None) -> dict[str, str]:
    stamp = int(at if at is not None else time.time())
    payload = f"{stamp}.".encode() + body
    signature = hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={signature}", "Content-Type": "application/json"}


async def stored(shop):
    return await shop.svc.rows("SELECT status, attempts FROM webhook_events")


async def test_the_sdk_signs_as_our_tests_do():
    body = event()
    header = signed(body)["Stripe-Signature"]
    assert stripe.WebhookSignature.verify_header(body.decode(), header, WEBHOOK_SECRET, 300)


@pytest.mark.parametrize(
    "forge",
    [
        lambda _: {},
        lambda _: {"Stripe-Signature": "nonsense"},
        lambda _: {"Stripe-Signature": "t=x,v1=y"},
        lambda body: signed(body, secret="whsec_other"),
        lambda body: signed(body, at=time.time() - 400),
        lambda body: signed(body, at=time.time() + 4000),
        lambda _: signed(b"other body"),
    ],
    ids=["none", "nonsense", "letters", "wrong secret", "too old", "from the future", "another body"],
)
async def test_a_forged_webhook_is_refused_and_not_stored(shop, forge):
    body = event()
    headers = forge(body)
    async with shop.svc.client() as client:
        answer = await client.post(PATH, content=body, headers=headers)
    assert answer.status_code == 400
    assert await stored(shop) == []


@pytest.mark.parametrize(
    ("reason", "body", "secret"),
    [
        ("signature", event(), "whsec_other"),
        ("body", b"[]", WEBHOOK_SECRET),
        ("mode", event(livemode=True), WEBHOOK_SECRET),
    ],
    ids=["signature", "body", "mode"],
)
async def test_a_refused_webhook_leaves_a_counter_and_a_clear_problem(shop, reason, body, secret):
    before = refused(reason)
    async with shop.svc.client() as client:
        answer = await client.post(PATH, content=body, headers=signed(body, secret=secret))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_webhook")
    assert refused(reason) == before + 1


def refused(reason):
    return REGISTRY.get_sample_value("billing_webhooks_refused_total", {"reason": reason}) or 0


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"", b"\xff\xfe", b"{", b'"x"', b"5", b'{"id": "evt", "object": "v2.core.event"}',
     event(livemode=True), event(data={}), event(type="")],
    ids=["list", "null", "empty", "not text", "half", "string", "number", "thin", "live", "no data", "no type"],
)  # fmt: skip
async def test_a_signed_body_that_is_no_event_of_ours_is_refused_and_not_stored(shop, body):
    async with shop.svc.client() as client:
        answer = await client.post(PATH, content=body, headers=signed(body))
    assert answer.status_code == 400
    assert await stored(shop) == []


async def test_five_megabytes_are_refused(shop):
    body = b"x" * 5_000_000
    async with shop.svc.client() as client:
        answer = await client.post(PATH, content=body, headers=signed(body))
    assert answer.status_code == 413


async def test_an_event_delivered_twenty_times_at_once_is_stored_once(shop):
    body = event()
    async with shop.svc.client() as client:
        answers = await asyncio.gather(*(client.post(PATH, content=body, headers=signed(body)) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await stored(shop)) == 1


async def test_an_event_we_do_not_handle_is_kept_as_ignored(shop):
    body = event(type="price.created")
    async with shop.svc.client() as client:
        assert (await client.post(PATH, content=body, headers=signed(body))).status_code == 200
    assert [row["status"] for row in await stored(shop)] == ["IGNORED"]
    [row] = await shop.svc.rows("SELECT id FROM webhook_events")
    async with shop.svc.admin(new_id()) as admin:
        assert (await admin.post(f"/v1/admin/billing/webhook-events/{row['id']}/replay")).json()["status"] == "IGNORED"


async def test_an_object_that_is_gone_at_stripe_is_ignored(shop):
    body = event()
    async with shop.svc.client() as client:
        await client.post(PATH, content=body, headers=signed(body))
    await shop.svc.runtime.parts.work_off_webhooks()
    assert [row["status"] for row in await stored(shop)] == ["IGNORED"]


async def test_a_poisoned_event_is_retried_dies_and_can_be_replayed_without_holding_up_others(shop):
    poison = event(id="evt_poison", type="refund.created", data={"object": {"id": "re_1", "object": "refund"}})
    await shop.control("faults", method="GET", path="/v1/refunds/re_1", kind="500", times=1000)
    async with shop.svc.client() as client:
        await client.post(PATH, content=poison, headers=signed(poison))
    user = await shop.register()
    await shop.buy(user)
    for _ in range(9):
        await shop.svc.rows("UPDATE webhook_events SET next_attempt_at = now() WHERE status = 'RETRY' RETURNING 1")
        shop.svc.clock.advance(REST_SECONDS)
        await shop.svc.runtime.parts.work_off_webhooks()
    async with shop.svc.admin(new_id()) as admin:
        [dead] = (await admin.get("/v1/admin/billing/webhook-events?status=DEAD")).json()["items"]
        assert dead["stripe_event_id"] == "evt_poison"
        assert (await admin.post(f"/v1/admin/billing/webhook-events/{dead['id']}/replay")).status_code == 202
        assert (await admin.post(f"/v1/admin/billing/webhook-events/{new_id()}/replay")).status_code == 404


async def test_two_secrets_are_valid_while_one_replaces_the_other():
    async with open_shop() as shop:
        shop.svc.runtime.parts.settings.stripe_webhook_secret = f"whsec_new,{WEBHOOK_SECRET}"
        async with shop.svc.client() as client:
            for number, secret in enumerate(("whsec_new", WEBHOOK_SECRET)):
                body = event(id=f"evt_{number}")
                answer = await client.post(PATH, content=body, headers=signed(body, secret=secret))
                assert answer.status_code == 200


async def test_duplicated_shuffled_and_late_webhooks_end_in_the_same_books(shop):
    await shop.control("delivery", duplicate=3, shuffle=True)
    user = await shop.register()
    payment = await shop.buy(user)
    await shop.refund(payment["id"], amount=900)
    await shop.settle()
    await shop.advance(32)
    newest, first = await shop.payments(user)
    assert (first["status"], first["amount_refunded"], newest["status"]) == ("PARTIALLY_REFUNDED", 900, "PAID")
    assert len(await shop.svc.published("payment.paid")) == 2
    assert len(await shop.svc.published("payment.refunded")) == 1
    assert len(await shop.svc.published("subscription.renewed")) == 1


async def paid_and_untold(shop):
    """A purchase that Stripe knows of and we do not: its user and the event that says so."""
    await shop.control("delivery", drop=True)
    user = await shop.register()
    await shop.pay((await shop.checkout(user))["session_id"])
    [paid] = (await shop.stripe("GET", "events", type="invoice.paid"))["data"]
    return user, json.dumps(paid).encode()


async def test_a_payment_told_twenty_times_at_once_to_several_workers_has_one_effect(shop):
    user, body = await paid_and_untold(shop)
    async with shop.svc.client() as client:
        await asyncio.gather(*(client.post(PATH, content=body, headers=signed(body)) for _ in range(20)))
    again = json.dumps({**json.loads(body), "id": "evt_another_of_the_same"}).encode()
    async with shop.svc.client() as client:
        await client.post(PATH, content=again, headers=signed(again))
    await asyncio.gather(*(shop.svc.runtime.parts.work_off_webhooks() for _ in range(4)))
    assert [row["status"] for row in await stored(shop)] == ["PROCESSED", "PROCESSED"]
    assert [payment["status"] for payment in await shop.payments(user)] == ["PAID"]
    assert len(await shop.svc.published("payment.paid")) == 1
    assert len(await shop.svc.published("subscription.activated")) == 1


async def test_a_hundred_events_are_answered_while_nobody_works_them_off_and_drained_later(shop):
    bodies = [event(id=f"evt_{number}") for number in range(100)]
    async with shop.svc.client() as client:
        answers = [await client.post(PATH, content=body, headers=signed(body)) for body in bodies]
    assert {answer.status_code for answer in answers} == {200}
    assert {row["status"] for row in await stored(shop)} == {"RECEIVED"}
    assert await shop.svc.runtime.parts.work_off_webhooks() == 100
    assert {row["status"] for row in await stored(shop)} == {"IGNORED"}


async def test_raw_events_are_forgotten_after_sixty_days_and_unfinished_ones_are_not(shop):
    for number, status in enumerate(("PROCESSED", "IGNORED", "DEAD", "RETRY", "RECEIVED")):
        for age in (59, 61):
            body = event(id=f"evt_{number}_{age}")
            async with shop.svc.client() as client:
                await client.post(PATH, content=body, headers=signed(body))
            await shop.svc.rows(
                "UPDATE webhook_events SET status = %(status)s, received_at = now() - %(age)s * interval '1 day'"
                " WHERE stripe_event_id = %(id)s RETURNING 1",
                status=status,
                age=age,
                id=f"evt_{number}_{age}",
            )
    await forget_webhooks(shop.svc.runtime)
    left = await shop.svc.rows("SELECT stripe_event_id AS id FROM webhook_events")
    assert {row["id"] for row in left} == {
        *(f"evt_{number}_59" for number in range(5)),
        *(f"evt_{number}_61" for number in (2, 3, 4)),
    }


async def post(shop, *bodies):
    async with shop.svc.client() as client:
        for body in bodies:
            await client.post(PATH, content=body, headers=signed(body))


def about(customer, number):
    target = {"id": f"sub_{number}", "object": "subscription", "customer": customer}
    return event(id=f"evt_{customer}_{number}", data={"object": target})


async def test_customers_do_not_wait_for_each_other_s_answers_from_stripe(shop, monkeypatch):
    meeting = asyncio.Barrier(3)

    async def meet(books, stripe_id):
        await asyncio.wait_for(meeting.wait(), 20)

    monkeypatch.setitem(HANDLED, "customer.subscription.updated", meet)
    await post(shop, about("cus_1", 1), about("cus_2", 2), about("cus_3", 3))
    assert await shop.svc.runtime.parts.work_off_webhooks() == 3
    assert [row["status"] for row in await stored(shop)] == ["PROCESSED"] * 3


async def test_two_events_of_a_customer_are_never_worked_on_at_once(shop, monkeypatch):
    busy = set()

    async def alone(books, stripe_id):
        customer = stripe_id.split("_")[1]
        assert customer not in busy
        busy.add(customer)
        await books.session.execute(text("SELECT pg_sleep(0.02)"))
        busy.remove(customer)

    monkeypatch.setitem(HANDLED, "customer.subscription.updated", alone)
    await post(shop, *(about(f"cus_{name}", f"{name}_{number}") for number in range(4) for name in "ab"))
    assert await shop.svc.runtime.parts.work_off_webhooks() == 8
    assert [row["attempts"] for row in await stored(shop)] == [1] * 8
