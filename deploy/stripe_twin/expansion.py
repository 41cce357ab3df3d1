"""`expand[]`: ids become the objects they name, and fields that are only sent when asked for appear."""

from collections.abc import Awaitable, Callable
from typing import Any

from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.errors import StripeError, invalid
from deploy.stripe_twin.listing import page_of

MAX_DEPTH = 4


async def expand(account: Account, body: Body, paths: list[str]) -> Body:
    """Raises a 400 for a path that names nothing expandable, as Stripe does."""
    for path in paths:
        if len([step for step in path.split(".") if step != "data"]) > MAX_DEPTH:
            raise invalid(f"You cannot expand more than {MAX_DEPTH} levels of a property: {path}", param="expand")
        await _expand(account, body, path.split("."), path)
    return body


def without_private(value: Any) -> Any:
    """Drop the twin's own fields on every level; metadata belongs to the caller, whatever its keys."""
    if isinstance(value, list):
        return [without_private(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: each if name == "metadata" else without_private(each)
        for name, each in value.items()
        if not name.startswith("_")
    }


async def _expand(account: Account, node: Body, steps: list[str], path: str) -> None:
    name, rest = steps[0], steps[1:]
    if (node.get("object"), name) in INCLUDABLE and not isinstance(node.get(name), dict):
        node[name] = await INCLUDABLE[node["object"], name](account, node)
    if name not in node:
        raise _not_expandable(path)
    if isinstance(node[name], list):
        node[name] = [await _resolve(account, each, path, is_last=not rest) for each in node[name]]
        targets = node[name]
    else:
        node[name] = await _resolve(account, node[name], path, is_last=not rest)
        targets = [node[name]]
    for target in targets if rest else []:
        if target is not None:
            await _expand(account, target, rest, path)


async def _resolve(account: Account, value: Any, path: str, *, is_last: bool) -> Any:
    if value is None or isinstance(value, dict):
        if is_last and isinstance(value, dict) and "object" not in value:
            raise _not_expandable(path)
        return value
    found = await account.find_any(value) if isinstance(value, str) else None
    if found is None:
        raise _not_expandable(path)
    return found


def _not_expandable(path: str) -> StripeError:
    return invalid(f"This property cannot be expanded ({path}).", param="expand")


async def _session_line_items(_account: Account, session: Body) -> Body:
    return page_of(session["_line_items"], f"/v1/checkout/sessions/{session['id']}/line_items")


async def _invoice_payments(account: Account, invoice: Body) -> Body:
    return page_of(await account.where("invoice_payment", invoice=invoice["id"]), "/v1/invoice_payments")


async def _charge_refunds(account: Account, charge: Body) -> Body:
    refunds = await account.where("refund", charge=charge["id"])
    return page_of(refunds[::-1], f"/v1/charges/{charge['id']}/refunds")


async def _customer_subscriptions(account: Account, customer: Body) -> Body:
    subscriptions = await account.where("subscription", customer=customer["id"])
    live = [each for each in subscriptions if each["status"] not in ("canceled", "incomplete_expired")]
    return page_of(live[::-1], f"/v1/customers/{customer['id']}/subscriptions")


INCLUDABLE: dict[tuple[str, str], Callable[[Account, Body], Awaitable[Body]]] = {
    ("checkout.session", "line_items"): _session_line_items,
    ("invoice", "payments"): _invoice_payments,
    ("charge", "refunds"): _charge_refunds,
    ("customer", "subscriptions"): _customer_subscriptions,
}
