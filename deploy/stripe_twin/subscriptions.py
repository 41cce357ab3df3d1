"""Subscriptions: begun by a checkout, renewed by the clock, past due when the card fails, ended for a reason."""

from typing import Any

from deploy.stripe_twin import invoices, schedules
from deploy.stripe_twin.account import DAY, Account, Body
from deploy.stripe_twin.catalog import plan_of
from deploy.stripe_twin.discounts import redeem
from deploy.stripe_twin.ids import new_id
from deploy.stripe_twin.listing import Condition, list_objects, page_of
from deploy.stripe_twin.periods import period_end

INCOMPLETE_FOR = 23 * 3600
ENDED = ("canceled", "incomplete_expired")


async def begin(
    account: Account,
    *,
    customer: Body,
    prices: list[tuple[Body, int]],
    given: Body,
    method: Body | None,
    coupon: tuple[Body, Body] | None,
    intent: Body | None,
    authenticated: bool,
) -> tuple[Body, Body, str]:
    """Start with the first invoice; `prices` may hold one-time prices, which that invoice takes along.

    `coupon` is a discount's source and the coupon it leads to. Returns subscription, invoice and the outcome.
    """
    subscription = _subscription(account, customer, prices, given, method)
    if coupon:
        discount = await redeem(account, *coupon, customer=customer["id"], subscription=subscription["id"])
        subscription["discounts"] = [discount["id"]]
    await account.create("customer.subscription.created", subscription)
    lines = _first_lines(subscription, prices)
    invoice = await _draft(account, subscription, "subscription_create", lines, (account.now, account.now))
    await invoices.finalize(account, invoice)
    outcome = await invoices.collect(account, invoice, method, present=True, authenticated=authenticated, intent=intent)
    await _after_first_payment(account, subscription, outcome)
    await plan_renewal(account, subscription)
    return subscription, invoice, outcome


async def _after_first_payment(account: Account, subscription: Body, outcome: str) -> None:
    """A bank debit under way counts as good until it fails, as with Stripe."""
    if subscription["status"] == "incomplete" and outcome in ("paid", "processing"):
        await _update(account, subscription, status="active")
    elif subscription["status"] == "incomplete":
        await account.schedule("expire_incomplete", subscription["id"], account.now + INCOMPLETE_FOR)


def _subscription(
    account: Account, customer: Body, prices: list[tuple[Body, int]], given: Body, method: Body | None
) -> Body:
    trial_end = given.get("trial_end") or (
        account.now + given["trial_period_days"] * DAY if given.get("trial_period_days") else None
    )
    subscription_id, anchor = new_id("sub", 24), trial_end or account.now
    recurring = [(price, quantity) for price, quantity in prices if price["type"] == "recurring"]
    items = [_item(account, subscription_id, price, quantity, anchor) for price, quantity in recurring]
    return {
        "id": subscription_id,
        "object": "subscription",
        **_UNSET,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": anchor,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": None},
        "billing_schedules": [],
        "cancel_at_period_end": False,
        "cancellation_details": _reason(None),
        "collection_method": "charge_automatically",
        "created": account.now,
        "currency": recurring[0][0]["currency"],
        "customer": customer["id"],
        "default_payment_method": method["id"] if method else None,
        "description": given.get("description"),
        "discounts": [],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": page_of(items, f"/v1/subscription_items?subscription={subscription_id}"),
        "livemode": False,
        "metadata": given.get("metadata", {}),
        "payment_settings": _PAYMENT_SETTINGS,
        "start_date": account.now,
        "status": "trialing" if trial_end else "incomplete",
        "trial_end": trial_end,
        "trial_settings": given.get("trial_settings", {"end_behavior": {"missing_payment_method": "create_invoice"}}),
        "trial_start": account.now if trial_end else None,
        "_pending_lines": [],
    }


_UNSET: Body = dict.fromkeys(
    [
        "application",
        "application_fee_percent",
        "billing_cycle_anchor_config",
        "billing_thresholds",
        "cancel_at",
        "canceled_at",
        "days_until_due",
        "default_source",
        "ended_at",
        "latest_invoice",
        "next_pending_invoice_item_invoice",
        "on_behalf_of",
        "pause_collection",
        "pending_invoice_item_interval",
        "pending_setup_intent",
        "pending_update",
        "schedule",
        "test_clock",
        "transfer_data",
    ]
) | {"default_tax_rates": []}
_PAYMENT_SETTINGS = {
    "payment_method_options": None,
    "payment_method_types": None,
    "save_default_payment_method": "off",
}


def _item(account: Account, subscription_id: str, price: Body, quantity: int, anchor: int) -> Body:
    is_trial = anchor > account.now
    end = anchor if is_trial else period_end(anchor, price["recurring"], account.now)
    return {
        "id": new_id("si", 14),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now,
        "current_period_end": end,
        "current_period_start": account.now,
        "discounts": [],
        "metadata": {},
        "plan": plan_of(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def _reason(reason: str | None, given: Body | None = None) -> Body:
    known = given or {}
    return {
        "comment": known.get("comment"),
        "feedback": known.get("feedback"),
        "feedback_option": None,
        "reason": reason,
    }


def _first_lines(subscription: Body, prices: list[tuple[Body, int]]) -> list[Body]:
    lines = period_lines(subscription)
    for price, quantity in prices:
        if price["type"] == "one_time":
            item = subscription["items"]["data"][0] | {"price": price, "quantity": quantity}
            period = (subscription["start_date"], subscription["start_date"])
            lines.append(invoices.line(subscription, item, price["unit_amount"] * quantity, period, "One-time item"))
    return lines


def period_lines(subscription: Body) -> list[Body]:
    """What the current period costs; nothing while the trial runs."""
    is_trial = subscription["status"] == "trialing"
    return [
        invoices.line(
            subscription,
            item,
            0 if is_trial else item["price"]["unit_amount"] * item["quantity"],
            period_of(item),
            "Trial period" if is_trial else f"{item['quantity']} x {item['price']['nickname'] or item['price']['id']}",
        )
        for item in subscription["items"]["data"]
    ]


def period_of(item: Body) -> tuple[int, int]:
    return item["current_period_start"], item["current_period_end"]


async def _draft(account: Account, subscription: Body, reason: str, lines: list[Body], period: tuple[int, int]) -> Body:
    lines = [*subscription["_pending_lines"], *lines]
    subscription["_pending_lines"] = []
    invoice = await invoices.draft_invoice(account, subscription, reason, lines, period)
    subscription["latest_invoice"] = invoice["id"]
    await account.save(subscription)
    return invoice


async def bill_now(account: Account, subscription: Body, reason: str, lines: list[Body]) -> str:
    """Invoice these lines at once and try the saved card; the subscription follows the outcome."""
    item = subscription["items"]["data"][0]
    invoice = await _draft(account, subscription, reason, lines, period_of(item))
    await invoices.finalize(account, invoice)
    return await collect(account, invoice, subscription)


async def collect(account: Account, invoice: Body, subscription: Body) -> str:
    method = await payment_method(account, subscription)
    outcome = await invoices.collect(account, invoice, method, present=False)
    if outcome in ("paid", "failed"):
        await follow(account, invoice, paid=outcome == "paid")
    return outcome


async def payment_method(account: Account, subscription: Body) -> Body | None:
    customer = await account.get("customer", subscription["customer"])
    settings = customer.get("invoice_settings") or {}
    method_id = subscription["default_payment_method"] or settings.get("default_payment_method")
    return await account.find("payment_method", method_id) if method_id else None


async def follow(account: Account, invoice: Body, *, paid: bool) -> None:
    """What a paid or failed invoice means for its subscription."""
    subscription = await account.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    if subscription["status"] in ENDED:
        return
    if paid and subscription["status"] in ("incomplete", "past_due", "unpaid"):
        await account.unschedule(subscription["id"], ["expire_incomplete"])
        await _update(account, subscription, status="active")
    elif not paid and subscription["status"] != "incomplete":
        if invoice["next_payment_attempt"] is None:
            await end(account, subscription, "payment_failed")
        else:
            await _update(account, subscription, status="past_due")


async def renew(account: Account, subscription_id: str) -> None:
    """The period is over: begin the next one and bill it, or end as planned."""
    subscription = await account.get("subscription", subscription_id)
    if subscription["status"] in ENDED:
        return
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= account.now:
        await end(account, subscription, "cancellation_requested")
        return
    if await _ends_for_lack_of_a_card(account, subscription):
        await end(account, subscription, "payment_failed")
        return
    before = subscription["items"]["data"][0]
    changes = await _next_cycle(account, subscription)
    subscription |= {"status": changes.get("status", subscription["status"])}
    await _update(account, subscription, **changes)
    lines = period_lines(subscription)
    invoice = await _draft(account, subscription, "subscription_cycle", lines, period_of(before))
    await plan_renewal(account, subscription)
    await invoices.finalize(account, invoice)
    if subscription["pause_collection"]:
        await invoices.void(account, invoice)
    else:
        await collect(account, invoice, subscription)


async def _ends_for_lack_of_a_card(account: Account, subscription: Body) -> bool:
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    is_over = subscription["status"] == "trialing" and behavior == "cancel"
    return is_over and await payment_method(account, subscription) is None


async def _next_cycle(account: Account, subscription: Body) -> Body:
    """What changes with the period: a trial is over, and a scheduled price comes in."""
    changes: Body = {"status": "active"} if subscription["status"] == "trialing" else {}
    anchor, start = subscription["billing_cycle_anchor"], subscription["items"]["data"][0]["current_period_end"]
    items = await schedules.enter_due_phase(account, subscription)
    if items and items[0]["price"]["recurring"] != subscription["items"]["data"][0]["price"]["recurring"]:
        changes["billing_cycle_anchor"] = anchor = start
    return changes | {"items": subscription["items"] | {"data": _next_periods(subscription, items, anchor)}}


def _next_periods(subscription: Body, items: list[Body] | None, anchor: int) -> list[Body]:
    return [
        item
        | {
            "current_period_start": item["current_period_end"],
            "current_period_end": period_end(anchor, item["price"]["recurring"], item["current_period_end"]),
        }
        for item in items or subscription["items"]["data"]
    ]


async def plan_renewal(account: Account, subscription: Body) -> None:
    item = subscription["items"]["data"][0]
    await account.schedule("renew", subscription["id"], item["current_period_end"])
    if subscription["status"] == "trialing":
        warning = max(account.now, subscription["trial_end"] - 3 * DAY)
        await account.schedule("warn_of_trial_end", subscription["id"], warning)


async def warn_of_trial_end(account: Account, subscription_id: str) -> None:
    subscription = await account.get("subscription", subscription_id)
    if subscription["status"] == "trialing":
        await account.emit("customer.subscription.trial_will_end", subscription)


async def retry_invoice(account: Account, invoice_id: str) -> None:
    invoice = await account.get("invoice", invoice_id)
    subscription = await account.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    if invoice["status"] == "open" and subscription["status"] not in ENDED:
        await collect(account, invoice, subscription)


async def expire_incomplete(account: Account, subscription_id: str) -> None:
    subscription = await account.get("subscription", subscription_id)
    if subscription["status"] == "incomplete":
        await account.unschedule(subscription_id)
        await _update(account, subscription, status="incomplete_expired", ended_at=account.now)
        await invoices.void(account, await account.get("invoice", subscription["latest_invoice"]))


async def end_as_planned(account: Account, subscription_id: str) -> None:
    subscription = await account.get("subscription", subscription_id)
    if subscription["status"] not in ENDED and (subscription["cancel_at"] or account.now + 1) <= account.now:
        await end(account, subscription, "cancellation_requested")


async def end(account: Account, subscription: Body, reason: str, given: Body | None = None) -> Body:
    """Over for good: nothing is collected for it any more."""
    await account.unschedule(subscription["id"])
    await schedules.end_with_subscription(account, subscription)
    for invoice in await account.where("invoice", customer=subscription["customer"], status="open"):
        if invoice["parent"]["subscription_details"]["subscription"] == subscription["id"]:
            await account.unschedule(invoice["id"])
            await account.save(invoice | {"auto_advance": False, "next_payment_attempt": None})
    subscription |= {
        "status": "canceled",
        "canceled_at": subscription["canceled_at"] or account.now,
        "ended_at": account.now,
        "cancellation_details": _reason(reason, given or subscription["cancellation_details"]),
    }
    await account.save(subscription)
    await account.emit("customer.subscription.deleted", subscription)
    return subscription


async def _update(account: Account, subscription: Body, **changes: Any) -> Body:
    return await account.change("customer.subscription.updated", subscription, **changes)


async def get_subscription(account: Account, _params: Body, subscription_id: str) -> Body:
    return await account.get("subscription", subscription_id)


async def list_subscriptions(account: Account, params: Body) -> Body:
    """Canceled ones only when asked for by status, as Stripe does."""
    status, conditions = params.get("status"), list[Condition]()
    if status is None:
        conditions.append(("body->>'status' <> 'canceled'", None))
    elif status == "ended":
        conditions.append(("body->>'status' = ANY(%s)", list(ENDED)))
    elif status != "all":
        conditions.append(("body->>'status' = %s", status))
    if "price" in params:
        conditions.append(("body#>>'{items,data,0,price,id}' = %s", params["price"]))
    return await list_objects(account, "subscription", params, {"customer": "customer"}, conditions)
