"""What an owner changes about a running subscription: plan, quantity, end, trial, card, discount."""

from decimal import ROUND_HALF_UP, Decimal

from deploy.stripe_twin import invoices, subscriptions
from deploy.stripe_twin.account import DAY, Account, Body
from deploy.stripe_twin.catalog import plan_of
from deploy.stripe_twin.checkout_items import MAX_QUANTITY
from deploy.stripe_twin.customers import live_customer
from deploy.stripe_twin.discounts import redeem, redeemable_coupon
from deploy.stripe_twin.errors import declined, invalid, no_such
from deploy.stripe_twin.metadata import changed
from deploy.stripe_twin.periods import period_end

FARTHEST_END = 5 * 366 * DAY


async def update_subscription(account: Account, params: Body, subscription_id: str) -> Body:
    subscription = await account.get("subscription", subscription_id)
    if subscription["status"] in subscriptions.ENDED and set(params) - {"metadata", "cancellation_details"}:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    if subscription["schedule"] and {"items", "cancel_at", "cancel_at_period_end"} & set(params):
        raise invalid(f"The subscription is managed by the schedule {subscription['schedule']}; release that first.")
    if params.get("payment_behavior", "allow_incomplete") not in ("allow_incomplete", "error_if_incomplete"):
        raise invalid("The twin knows allow_incomplete and error_if_incomplete only.", param="payment_behavior")
    if params.get("trial_end", "now") != "now":
        raise invalid("The twin ends trials now or at their time; it does not move them.", param="trial_end")
    changes = changed(subscription, params, "description")
    changes |= await _card(account, params)
    changes |= _end(account, subscription, params)
    changes |= _pause(params)
    changes |= await _discounts(account, subscription, params)
    lines: list[Body] = []
    if "items" in params or "billing_cycle_anchor" in params:
        moved, lines = await _move(account, subscription, params)
        changes |= moved
    await account.change("customer.subscription.updated", subscription, **changes)
    await _reschedule(account, subscription)
    await _bill(account, subscription, params, lines, restarted="billing_cycle_anchor" in changes)
    if params.get("trial_end") == "now" and subscription["status"] == "trialing":
        return await _end_trial(account, subscription)
    return await account.get("subscription", subscription_id)


async def _card(account: Account, params: Body) -> Body:
    if method_id := params.get("default_payment_method"):
        await account.get("payment_method", method_id, "default_payment_method")
        return {"default_payment_method": method_id}
    return {}


def _pause(params: Body) -> Body:
    """While collection is paused, invoices are made and voided; the status stays what it was."""
    if "pause_collection" not in params:
        return {}
    pause = params["pause_collection"] or None
    if pause and (pause["behavior"] != "void" or "resumes_at" in pause):
        raise invalid("The twin voids invoices until collection is resumed.", param="pause_collection[behavior]")
    return {"pause_collection": {"behavior": "void", "resumes_at": None} if pause else None}


def _end(account: Account, subscription: Body, params: Body) -> Body:
    """Plan the end, or take the plan back."""
    changes: Body = {}
    if "cancellation_details" in params:
        changes["cancellation_details"] = subscription["cancellation_details"] | params["cancellation_details"]
    if "cancel_at_period_end" not in params and "cancel_at" not in params:
        return changes
    at_period_end = params.get("cancel_at_period_end", False)
    end = subscription["items"]["data"][0]["current_period_end"] if at_period_end else params.get("cancel_at") or None
    if end is not None and not account.now < end <= account.now + FARTHEST_END:
        raise invalid("cancel_at must be in the future, at most five years away.", param="cancel_at")
    details = subscription["cancellation_details"] | changes.get("cancellation_details", {})
    return changes | {
        "cancel_at": end,
        "cancel_at_period_end": at_period_end,
        "canceled_at": account.now if end else None,
        "cancellation_details": details | {"reason": "cancellation_requested" if end else None},
    }


async def _discounts(account: Account, subscription: Body, params: Body) -> Body:
    if "discounts" not in params:
        return {}
    ids = []
    for source in params["discounts"] or []:
        coupon = await redeemable_coupon(account, source, subscription["customer"], subtotal=0)
        discount = await redeem(
            account, source, coupon, customer=subscription["customer"], subscription=subscription["id"]
        )
        ids.append(discount["id"])
    return {"discounts": ids}


async def _move(account: Account, subscription: Body, params: Body) -> tuple[Body, list[Body]]:
    """The items as they will be, and the lines that the change costs and gives back."""
    items, lines, restarts = [], [], params.get("billing_cycle_anchor", {}).get("type") == "now"
    given = {each.get("id"): each for each in params.get("items", [])}
    if unknown := set(given) - {item["id"] for item in subscription["items"]["data"]}:
        raise no_such("subscription_item", str(unknown.pop()), "items[0][id]")
    for item in subscription["items"]["data"]:
        moved = await _moved_item(account, subscription, item, given.get(item["id"], {}))
        is_new_cycle = restarts or moved["price"]["recurring"] != item["price"]["recurring"]
        if is_new_cycle and subscription["status"] != "trialing":
            restarts = True
            moved |= {
                "current_period_start": account.now,
                "current_period_end": period_end(account.now, moved["price"]["recurring"], account.now),
            }
        lines += _lines(account, subscription, item, moved, params)
        items.append(moved)
    changes: Body = {"items": subscription["items"] | {"data": items}}
    if restarts and subscription["status"] != "trialing":
        changes["billing_cycle_anchor"] = account.now
    return changes, lines


async def _moved_item(account: Account, subscription: Body, item: Body, given: Body) -> Body:
    if given.get("deleted"):
        raise invalid("The twin keeps the items of a subscription; cancel it instead.", param="items")
    price = await account.get("price", given["price"], "items[0][price]") if "price" in given else item["price"]
    if price["type"] != "recurring" or price["currency"] != subscription["currency"]:
        raise invalid("The price must recur and be in the subscription's currency.", param="items[0][price]")
    if not price["active"] and price["id"] != item["price"]["id"]:
        raise invalid("The price specified is inactive.", param="items[0][price]")
    if not 1 <= given.get("quantity", 1) <= MAX_QUANTITY:
        raise invalid(f"quantity is 1 to {MAX_QUANTITY}.", param="items[0][quantity]")
    return item | {"price": price, "plan": plan_of(price), "quantity": given.get("quantity", item["quantity"])}


def _lines(account: Account, subscription: Body, old: Body, new: Body, params: Body) -> list[Body]:
    """Unused time of the old price is given back; the new one costs its whole new cycle or the rest of this one."""
    same = (old["price"]["id"], old["quantity"]) == (new["price"]["id"], new["quantity"])
    if subscription["status"] == "trialing" or (same and old["current_period_start"] == new["current_period_start"]):
        return []
    at = params.get("proration_date", account.now)
    start, end = subscriptions.period_of(old)
    prorates = params.get("proration_behavior", "create_prorations") != "none"
    unused = invoices.line(subscription, old, -_share(old, at, start, end), (at, end), "Unused time", proration=True)
    if new["current_period_start"] != start:
        period = subscriptions.period_of(new)
        whole = invoices.line(subscription, new, _price(new), period, "New billing cycle")
        return [unused, whole] if prorates else [whole]
    rest = invoices.line(subscription, new, _share(new, at, start, end), (at, end), "Remaining time", proration=True)
    return [unused, rest] if prorates else []


def _price(item: Body) -> int:
    return int(item["price"]["unit_amount"]) * int(item["quantity"])


def _share(item: Body, at: int, start: int, end: int) -> int:
    """The price of the time from `at` to the period's end, rounded half up to minor units."""
    if not start <= at <= end:
        raise invalid("proration_date must lie in the current period.", param="proration_date")
    exact = Decimal(_price(item)) * (end - at) / (end - start)
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


async def _bill(account: Account, subscription: Body, params: Body, lines: list[Body], *, restarted: bool) -> None:
    """A new billing cycle is invoiced at once, a proration when asked for, else with the next renewal."""
    if not lines:
        return
    if not restarted and params.get("proration_behavior") != "always_invoice":
        subscription["_pending_lines"] += lines
        await account.save(subscription)
        return
    outcome = await subscriptions.bill_now(account, subscription, "subscription_update", lines)
    if outcome == "failed" and params.get("payment_behavior") == "error_if_incomplete":
        invoice = await account.get("invoice", subscription["latest_invoice"])
        intent = await account.find("payment_intent", invoice.get("_intent") or "")
        error = (intent or {}).get("last_payment_error") or {"decline_code": "generic_decline"}
        raise declined(error["decline_code"], keeps_effects=False)


async def _reschedule(account: Account, subscription: Body) -> None:
    if subscription["status"] in subscriptions.ENDED:
        return
    await subscriptions.plan_renewal(account, subscription)
    await account.unschedule(subscription["id"], ["end_as_planned"])
    if subscription["cancel_at"] is not None:
        await account.schedule("end_as_planned", subscription["id"], subscription["cancel_at"])


async def _end_trial(account: Account, subscription: Body) -> Body:
    for item in subscription["items"]["data"]:
        item["current_period_end"] = account.now
    subscription |= {"billing_cycle_anchor": account.now, "trial_end": account.now}
    await account.save(subscription)
    await subscriptions.renew(account, subscription["id"])
    return await account.get("subscription", subscription["id"])


async def cancel_subscription(account: Account, params: Body, subscription_id: str) -> Body:
    """At once. Nothing is given back; a refund is a decision of its own."""
    subscription = await account.get("subscription", subscription_id)
    if subscription["status"] in subscriptions.ENDED:
        raise no_such("subscription", subscription_id)
    given = subscription["cancellation_details"] | params.get("cancellation_details", {})
    return await subscriptions.end(account, subscription, "cancellation_requested", given)


async def delete_customer(account: Account, _params: Body, customer_id: str) -> Body:
    """End the customer's subscriptions; a tombstone stays, so that what names the customer can still be read."""
    customer = await live_customer(account, customer_id)
    for subscription in await account.where("subscription", customer=customer_id):
        if subscription["status"] not in subscriptions.ENDED:
            await subscriptions.end(account, subscription, "cancellation_requested")
    customer["deleted"] = True
    await account.save(customer)
    await account.emit("customer.deleted", customer)
    return {"id": customer_id, "object": "customer", "deleted": True}
