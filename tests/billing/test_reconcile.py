"""What webhooks lost is found by comparing with Stripe, told, and put right."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT

from services.billing.tasks import reconcile_books
from shared.ids import new_id
from tests.support.billing_dump import dump_of


async def deaf(shop):
    await shop.control("delivery", drop=True)


async def reconcile(shop, **body):
    async with shop.svc.admin(new_id()) as admin:
        answer = await admin.post("/v1/admin/billing/reconcile", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_purchase_whose_webhooks_were_all_lost_is_found_and_booked(shop):
    user = await shop.register()
    await deaf(shop)
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"])
    found = await reconcile(shop, heal=True)
    assert found["compared"] == 1
    kinds = {drift["kind"]: drift for drift in found["drifts"]}
    assert set(kinds) == {"checkout", "entitlement", "invoice", "payment", "subscription"}
    assert kinds["entitlement"]["stripe"] == "viral active"
    assert (await shop.payments(user))[0]["status"] == "PAID"
    assert (await shop.entitlement(user))["plan_id"] == "viral"
    told = await shop.svc.published("billing.drift_found")
    assert {event["data"]["kind"] for event in told} == set(kinds)
    assert (await reconcile(shop, heal=True))["drifts"] == []


async def test_a_dry_run_finds_the_same_and_changes_nothing(shop):
    user = await shop.register()
    await deaf(shop)
    checkout = await shop.checkout(user)
    before = await dump_of(shop, user)
    await shop.pay(checkout["session_id"])
    found = await reconcile(shop)
    kinds = {drift["kind"] for drift in found["drifts"]}
    assert kinds == {"checkout", "entitlement", "invoice", "payment", "subscription"}
    assert not any(drift["healed"] for drift in found["drifts"])
    assert await dump_of(shop, user) == before
    assert await shop.svc.published("billing.drift_found") == []


async def test_lost_refunds_disputes_and_ends_are_found(shop):
    user = await shop.register()
    payment = await shop.buy(user)
    await deaf(shop)
    await shop.stripe("POST", "refunds", payment_intent=payment["stripe_payment_intent_id"], amount="500")
    await shop.control(f"payments/{payment['stripe_payment_intent_id']}/dispute")
    await shop.control(f"payments/{payment['stripe_payment_intent_id']}/dispute_lose")
    await reconcile(shop, heal=True)
    [now] = await shop.payments(user)
    assert (now["amount_refunded"], now["dispute_state"]) == (500, "lost")
    [subscription] = (await shop.stripe("GET", "subscriptions"))["data"]
    await shop.stripe("DELETE", f"subscriptions/{subscription['id']}")
    shop.svc.clock.advance(1)
    await reconcile(shop, heal=True)
    assert len(await shop.svc.published("subscription.ended")) == 1


async def test_books_that_agree_show_no_drift_and_the_timer_goes_round(shop):
    users = [await shop.register() for _ in range(3)]
    for user in users:
        await shop.buy(user)
    before = [await dump_of(shop, user) for user in users]
    shop.svc.clock.advance(1)
    await reconcile_books(shop.svc.runtime)
    assert [await dump_of(shop, user) for user in users] == before
    assert await shop.svc.published("billing.drift_found") == []
    rows = await shop.svc.rows("SELECT reconciled_at FROM billing_customers")
    assert all(row["reconciled_at"] for row in rows)
    assert (await reconcile(shop, heal=True))["compared"] == 0


async def test_stripe_being_down_leaves_the_books_for_the_next_round(shop):
    await shop.buy(await shop.register())
    shop.svc.clock.advance(1)
    await shop.control("faults", method="GET", path="/v1/invoices", kind="500", times=3)
    await reconcile_books(shop.svc.runtime)
    assert (await reconcile(shop, heal=True))["compared"] == 1


async def test_what_cannot_be_put_right_is_told_and_the_rest_is(shop):
    """Somebody tore the first payment from its checkout, so its invoice fits nowhere; a refund of another one does."""
    user = await shop.register()
    await shop.buy(user)
    await shop.advance(32)
    newest, _ = await shop.payments(user)
    await deaf(shop)
    await shop.stripe("POST", "refunds", payment_intent=newest["stripe_payment_intent_id"], amount="100")
    await shop.svc.rows(
        "UPDATE payments SET stripe_invoice_id = NULL, checkout_id = NULL"
        " WHERE kind = 'subscription_create' RETURNING 1"
    )
    await shop.svc.rows("UPDATE subscriptions SET checkout_id = NULL RETURNING 1")
    shop.svc.clock.advance(1)
    found = await reconcile(shop, heal=True)
    assert {drift["object_id"][:3] for drift in found["drifts"] if not drift["healed"]} == {"cs_", "in_"}
    assert (await shop.payments(user))[0]["amount_refunded"] == 100


async def atelier_billing(shop, folder, *arguments):
    """The command as an operator runs it, in a process of its own."""
    services = ("ACCOUNTS", "BILLING", "CHAT", "JOBS", "COMMUNITY")
    environment = {
        **os.environ,
        **{f"{name}_DATABASE_URL": shop.svc.runtime.settings.database_url for name in services},
        "ATELIER_HOME": str(folder),
        "STRIPE_SECRET_KEY": "sk_test_twin",
        "STRIPE_API_BASE": shop.stripe_url,
    }
    command = (sys.executable, "-m", "deploy.cli", "billing", "reconcile", *arguments)
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=STDOUT)
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_an_operator_sees_the_drift_first_and_heals_it_then(shop, tmp_path):
    user = await shop.register()
    await deaf(shop)
    checkout = await shop.checkout(user)
    await shop.pay(checkout["session_id"])
    code, output = await atelier_billing(shop, tmp_path)
    assert (code, "differs: payment" in output, "1 customers, 5 differences" in output) == (1, True, True), output
    code, output = await atelier_billing(shop, tmp_path, "--heal")
    assert (code, "healed: payment" in output) == (0, True), output
    assert (await shop.payments(user))[0]["status"] == "PAID"


async def test_an_operator_is_told_when_stripe_does_not_answer(shop, tmp_path):
    await shop.buy(await shop.register())
    await shop.control("faults", method="GET", path="/v1/checkout/sessions", kind="500", times=3)
    code, output = await atelier_billing(shop, tmp_path)
    assert (code, "Stripe does not answer" in output) == (2, True), output
