"""The billing portal: a link to a page on which customers look after their subscriptions."""

from deploy.stripe_twin import schedules, subscription_changes, subscriptions
from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.cards import CARDS
from deploy.stripe_twin.customers import attach, live_customer, new_method
from deploy.stripe_twin.errors import invalid
from deploy.stripe_twin.ids import new_id

LINK_LIFE = 5 * 60


async def create_portal_session(account: Account, params: Body) -> Body:
    if "customer" not in params:
        raise invalid("Missing required param: customer.", param="customer", code="parameter_missing")
    await live_customer(account, params["customer"])
    session_id = new_id("bps", 24)
    session = {
        "id": session_id,
        "object": "billing_portal.session",
        "configuration": "bpc_twin",
        "created": account.now,
        "customer": params["customer"],
        "customer_account": None,
        "flow": None,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url"),
        "url": f"{account.public_url}/portal/{session_id}",
    }
    return await account.save(session)


async def portal_session(account: Account, session_id: str) -> Body:
    return await account.get("billing_portal.session", session_id)


async def owned_subscription(account: Account, session: Body, subscription_id: str) -> Body:
    """Raises resource_missing for somebody else's."""
    found = [each for each in await portal_subscriptions(account, session) if each["id"] == subscription_id]
    if not found:
        raise invalid("This portal shows no such subscription.", param="subscription", code="resource_missing")
    return found[0]


async def portal_subscriptions(account: Account, session: Body) -> list[Body]:
    found = await account.where("subscription", customer=session["customer"])
    return [each for each in found if each["status"] not in subscriptions.ENDED]


async def other_prices(account: Account, subscription: Body) -> list[Body]:
    """What the subscription could be changed to: the recurring prices for sale in its currency."""
    current = subscription["items"]["data"][0]["price"]
    found = await account.where("price", active=True, type="recurring", currency=subscription["currency"])
    return [each for each in found if each["id"] != current["id"]]


async def _change(account: Account, subscription: Body, price_id: str) -> None:
    """As the portal is usually set up: a larger amount at once with proration, a smaller one at the period's end."""
    item = subscription["items"]["data"][0]
    price = await account.get("price", price_id, "price")
    if price["unit_amount"] >= item["price"]["unit_amount"]:
        items = [{"id": item["id"], "price": price_id}]
        params = {"items": items, "proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}
        await subscription_changes.update_subscription(account, params, subscription["id"])
        return
    schedule = await schedules.create_schedule(account, {"from_subscription": subscription["id"]})
    current = schedule["phases"][0]
    recurring = {name: price["recurring"][name] for name in ("interval", "interval_count")}
    coming = {"items": [{"price": price_id, "quantity": item["quantity"]}], "duration": recurring}
    kept = {name: current[name] for name in ("start_date", "end_date")}
    kept["items"] = [{"price": each["price"], "quantity": each["quantity"]} for each in current["items"]]
    await schedules.update_schedule(account, {"phases": [kept, coming]}, schedule["id"])


async def act(account: Account, session_id: str, action: str, subscription_id: str, price_id: str = "") -> None:
    session = await portal_session(account, session_id)
    subscription = await owned_subscription(account, session, subscription_id)
    if subscription["schedule"]:
        await schedules.release_schedule(account, {}, subscription["schedule"])
        subscription = await account.get("subscription", subscription_id)
    if action == "cancel":
        await subscription_changes.update_subscription(account, {"cancel_at_period_end": True}, subscription["id"])
    elif action == "resume":
        await subscription_changes.update_subscription(account, {"cancel_at_period_end": False}, subscription["id"])
    elif action == "cancel_now":
        await subscription_changes.cancel_subscription(account, {}, subscription["id"])
    elif action == "change":
        await _change(account, subscription, price_id)
    else:
        raise invalid(f"No such action: {action}", param="action")


async def replace_card(account: Account, customer_id: str, card_name: str) -> Body:
    """Save another test card and pay this customer's subscriptions with it from now on."""
    if card_name not in CARDS:
        raise invalid(f"No such test card: {card_name}; there are {', '.join(CARDS)}.", param="card")
    customer = await live_customer(account, customer_id)
    method = await attach(account, customer, await new_method(account, customer, CARDS[card_name]))
    for subscription in await account.where("subscription", customer=customer_id):
        if subscription["status"] not in subscriptions.ENDED:
            await account.change("customer.subscription.updated", subscription, default_payment_method=method["id"])
    return method
