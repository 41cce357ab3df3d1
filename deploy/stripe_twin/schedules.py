"""Subscription schedules: prices that a running subscription takes on when its period ends."""

from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.catalog import plan_of
from deploy.stripe_twin.errors import invalid
from deploy.stripe_twin.ids import new_id
from deploy.stripe_twin.listing import list_objects
from deploy.stripe_twin.metadata import changed
from deploy.stripe_twin.periods import period_end

RUNNING = ("active", "not_started")
SCHEDULABLE = ("active", "past_due")
PHASE_PARAMS = {"items", "start_date", "end_date", "duration", "proration_behavior", "metadata"}
ITEM_PARAMS = {"price", "quantity", "metadata"}


async def create_schedule(account: Account, params: Body) -> Body:
    """Put a running subscription under a schedule whose only phase is the period it is in."""
    if "from_subscription" not in params:
        raise invalid("The twin makes schedules from subscriptions.", param="from_subscription")
    subscription = await account.get("subscription", params["from_subscription"], "from_subscription")
    if subscription["schedule"]:
        raise invalid(f"The subscription is already attached to the schedule {subscription['schedule']}.")
    if subscription["status"] not in SCHEDULABLE or subscription["cancel_at"]:
        raise invalid("The twin schedules subscriptions that are active and go on.", param="from_subscription")
    schedule = _schedule(account, subscription, params)
    await account.create("subscription_schedule.created", schedule)
    await account.change("customer.subscription.updated", subscription, schedule=schedule["id"])
    return schedule


def _schedule(account: Account, subscription: Body, params: Body) -> Body:
    item = subscription["items"]["data"][0]
    phase = _phase(
        subscription,
        [_phase_item(each["price"], each["quantity"]) for each in subscription["items"]["data"]],
        (item["current_period_start"], item["current_period_end"]),
        "create_prorations",
    )
    return {
        "id": new_id("sub_sched", 24),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": subscription["billing_mode"],
        "canceled_at": None,
        "completed_at": None,
        "created": account.now,
        "current_phase": _span(phase),
        "customer": subscription["customer"],
        "customer_account": None,
        "default_settings": _DEFAULTS,
        "end_behavior": "release",
        "livemode": False,
        "metadata": params.get("metadata") or {},
        "pause_schedules": [],
        "phases": [phase],
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": None,
    }


_DEFAULTS: Body = {
    "application_fee_percent": None,
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
    "billing_cycle_anchor": "automatic",
    "billing_thresholds": None,
    "collection_method": "charge_automatically",
    "default_payment_method": None,
    "description": None,
    "invoice_settings": {
        "account_tax_ids": None,
        "custom_fields": None,
        "days_until_due": None,
        "description": None,
        "footer": None,
        "issuer": {"type": "self"},
    },
    "on_behalf_of": None,
    "transfer_data": None,
}
_UNSET_PHASE: Body = dict.fromkeys(
    (
        "application_fee_percent",
        "automatic_tax",
        "billing_cycle_anchor",
        "billing_thresholds",
        "collection_method",
        "default_payment_method",
        "description",
        "invoice_settings",
        "on_behalf_of",
        "transfer_data",
        "trial",
        "trial_end",
    )
)


def _phase(subscription: Body, items: list[Body], span: tuple[int, int], prorations: str) -> Body:
    return {
        **_UNSET_PHASE,
        "add_invoice_items": [],
        "currency": subscription["currency"],
        "default_tax_rates": [],
        "discounts": [],
        "end_date": span[1],
        "items": items,
        "metadata": {},
        "proration_behavior": prorations,
        "start_date": span[0],
    }


def _phase_item(price: Body, quantity: int) -> Body:
    return {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": {},
        "plan": price["id"],
        "price": price["id"],
        "quantity": quantity,
        "tax_rates": [],
    }


def _span(phase: Body) -> Body:
    return {"start_date": phase["start_date"], "end_date": phase["end_date"]}


async def update_schedule(account: Account, params: Body, schedule_id: str) -> Body:
    """Say what comes after the current phase. That phase is given again, first and as it is."""
    schedule = await account.get("subscription_schedule", schedule_id)
    _refuse_ended(schedule)
    if params.get("end_behavior", "release") != "release":
        raise invalid("The twin releases subscriptions at the end of their schedules.", param="end_behavior")
    changes = changed(schedule, params)
    if "phases" in params:
        changes["phases"] = await _phases(account, schedule, params["phases"])
    return await account.change("subscription_schedule.updated", schedule, **changes)


async def _phases(account: Account, schedule: Body, given: list[Body]) -> list[Body]:
    for index, phase in enumerate(given):
        _refuse_unsimulated(phase, index)
    current = next(each for each in schedule["phases"] if _span(each) == schedule["current_phase"])
    first = given[0]
    if (first.get("start_date"), first.get("end_date")) != (current["start_date"], current["end_date"]):
        raise invalid("The first phase must be the current one, with its start_date and end_date.", param="phases")
    if [each.get("price") for each in first["items"]] != [each["price"] for each in current["items"]]:
        raise invalid("The twin leaves the current phase's items as they are.", param="phases[0][items]")
    phases = [current]
    for index, phase in enumerate(given[1:], start=1):
        phases.append(await _next_phase(account, schedule, phase, phases[-1]["end_date"], index))
    return phases


def _refuse_unsimulated(phase: Body, index: int) -> None:
    unknown = set(phase) - PHASE_PARAMS
    unknown |= {name for item in phase["items"] for name in set(item) - ITEM_PARAMS}
    if unknown:
        name = f"phases[{index}][{min(unknown)}]"
        raise invalid(f"This twin does not simulate `{name}`.", param=name, code="parameter_unsupported")


async def _next_phase(account: Account, schedule: Body, given: Body, start: int, index: int) -> Body:
    """It starts where the one before it ends, and lasts until its end_date or for its duration."""
    if given.get("start_date", start) != start:
        raise invalid("A phase starts when the one before it ends.", param=f"phases[{index}][start_date]")
    subscription = await account.get("subscription", schedule["subscription"])
    prices = [await _price(account, subscription, item, index) for item in given["items"]]
    items = [_phase_item(price, item.get("quantity", 1)) for price, item in zip(prices, given["items"], strict=True)]
    if "duration" in given:
        end = period_end(start, {"interval_count": 1, **given["duration"]}, start)
    else:
        end = given.get("end_date", 0)
    if end <= start:
        raise invalid("A phase needs a duration or an end_date after its start.", param=f"phases[{index}][end_date]")
    return _phase(subscription, items, (start, end), given.get("proration_behavior", "create_prorations"))


async def _price(account: Account, subscription: Body, item: Body, index: int) -> Body:
    param = f"phases[{index}][items][0][price]"
    if "price" not in item:
        raise invalid("The twin schedules prices by their id.", param=param, code="parameter_missing")
    price = await account.get("price", item["price"], param)
    if price["type"] != "recurring" or price["currency"] != subscription["currency"] or not price["active"]:
        raise invalid("The price must be active, recur and be in the subscription's currency.", param=param)
    return price


async def release_schedule(account: Account, _params: Body, schedule_id: str) -> Body:
    """The subscription goes on as it is, and nothing more is planned for it."""
    schedule = await account.get("subscription_schedule", schedule_id)
    _refuse_ended(schedule)
    return await _release(account, schedule)


async def _release(account: Account, schedule: Body) -> Body:
    subscription = await account.get("subscription", schedule["subscription"])
    schedule |= {
        "current_phase": None,
        "released_at": account.now,
        "released_subscription": schedule["subscription"],
        "status": "released",
        "subscription": None,
    }
    await account.save(schedule)
    await account.emit("subscription_schedule.released", schedule)
    await account.change("customer.subscription.updated", subscription, schedule=None)
    return schedule


def _refuse_ended(schedule: Body) -> None:
    if schedule["status"] not in RUNNING:
        raise invalid(f"This subscription schedule is {schedule['status']}.", code="resource_missing")


async def enter_due_phase(account: Account, subscription: Body) -> list[Body] | None:
    """The items with the prices of the phase that begins now, or None when none does. A finished schedule lets go."""
    if not subscription["schedule"]:
        return None
    schedule = await account.get("subscription_schedule", subscription["schedule"])
    phase = next((each for each in schedule["phases"] if each["start_date"] <= account.now < each["end_date"]), None)
    if phase is None:
        await _release(account, schedule)
        subscription["schedule"] = None
        return None
    if _span(phase) == schedule["current_phase"]:
        return None
    await account.change("subscription_schedule.updated", schedule, current_phase=_span(phase))
    return [
        item | {"price": price, "plan": plan_of(price), "quantity": planned["quantity"]}
        for item, planned in zip(subscription["items"]["data"], phase["items"], strict=True)
        for price in [await account.get("price", planned["price"])]
    ]


async def end_with_subscription(account: Account, subscription: Body) -> None:
    if subscription["schedule"]:
        schedule = await account.get("subscription_schedule", subscription["schedule"])
        schedule |= {"canceled_at": account.now, "current_phase": None, "status": "canceled"}
        await account.save(schedule)
        await account.emit("subscription_schedule.canceled", schedule)


async def get_schedule(account: Account, _params: Body, schedule_id: str) -> Body:
    return await account.get("subscription_schedule", schedule_id)


async def list_schedules(account: Account, params: Body) -> Body:
    return await list_objects(account, "subscription_schedule", params, {"customer": "customer"})
