"""The API's view of events, webhook endpoints and the balance."""

from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.conformance import API_VERSION
from deploy.stripe_twin.errors import invalid
from deploy.stripe_twin.ids import new_id, random_text
from deploy.stripe_twin.listing import Condition, list_objects
from deploy.stripe_twin.metadata import changed, merged

_UNDELIVERED = "EXISTS (SELECT FROM deliveries d WHERE d.event = objects.id AND d.state <> 'delivered')"
_PENDING = "SELECT event, count(*) AS n FROM deliveries WHERE state = 'pending' AND event = ANY(%s) GROUP BY event"
MAIN_ENDPOINT = "we_twin_configured"


async def get_event(account: Account, _params: Body, event_id: str) -> Body:
    event = await account.get("event", event_id)
    await _count_pending(account, [event])
    return event


async def list_events(account: Account, params: Body) -> Body:
    conditions: list[Condition] = []
    if "type" in params:
        conditions.append(("body->>'type' LIKE %s", params["type"].replace("%", "").replace("*", "%")))
    if "types" in params:
        conditions.append(("body->>'type' = ANY(%s)", params["types"]))
    if "delivery_success" in params:
        conditions.append((("NOT " if params["delivery_success"] else "") + _UNDELIVERED, None))
    page = await list_objects(account, "event", params, conditions=conditions)
    await _count_pending(account, page["data"])
    return page


async def _count_pending(account: Account, events: list[Body]) -> None:
    cursor = await account.connection.execute(_PENDING, [[event["id"] for event in events]])
    counts = {row["event"]: row["n"] for row in await cursor.fetchall()}
    for event in events:
        event["pending_webhooks"] = counts.get(event["id"], 0)


async def create_endpoint(account: Account, params: Body) -> Body:
    """The secret is told in this answer only."""
    _check_url(params["url"])
    endpoint = _endpoint(account, new_id("we", 24), params["url"], f"whsec_{random_text(32)}")
    endpoint |= {
        "enabled_events": params["enabled_events"],
        "description": params.get("description"),
        "metadata": merged(None, params.get("metadata")),
    }
    await account.save(endpoint)
    return endpoint | {"secret": endpoint["_secret"]}


def _endpoint(account: Account, endpoint_id: str, url: str, secret: str) -> Body:
    return {
        "id": endpoint_id,
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": None,
        "created": account.now,
        "description": None,
        "enabled_events": ["*"],
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secret": secret,
    }


async def configure_endpoint(account: Account, url: str, secret: str, events: tuple[str, ...]) -> None:
    """The endpoint of the twin's settings; what is new in them replaces the old, deliveries included."""
    known = await account.find("webhook_endpoint", MAIN_ENDPOINT)
    body = _endpoint(account, MAIN_ENDPOINT, url, secret)
    body["description"] = "The endpoint of the twin's own settings."
    await account.save((known or body) | {"url": url, "enabled_events": list(events), "_secret": secret})


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise invalid("Invalid URL: An explicit scheme (such as https) must be provided.", param="url")


async def update_endpoint(account: Account, params: Body, endpoint_id: str) -> Body:
    endpoint = await account.get("webhook_endpoint", endpoint_id)
    changes = changed(endpoint, params, "description", "enabled_events", "url")
    _check_url(str(changes.get("url", endpoint["url"])))
    if "disabled" in params:
        changes["status"] = "disabled" if params["disabled"] else "enabled"
    return await account.save(endpoint | changes)


async def delete_endpoint(account: Account, _params: Body, endpoint_id: str) -> Body:
    await account.get("webhook_endpoint", endpoint_id)
    return await account.delete("webhook_endpoint", endpoint_id)


async def get_endpoint(account: Account, _params: Body, endpoint_id: str) -> Body:
    return await account.get("webhook_endpoint", endpoint_id)


async def list_endpoints(account: Account, params: Body) -> Body:
    return await list_objects(account, "webhook_endpoint", params)


async def get_balance(account: Account, _params: Body) -> Body:
    """Charges less refunds and open or lost disputes, per currency; the twin takes no fees and pays nothing out."""
    cursor = await account.connection.execute(
        "SELECT body->>'currency' AS currency, sum(CASE "
        "WHEN kind = 'charge' THEN (body->>'amount_captured')::bigint - (body->>'amount_refunded')::bigint "
        "WHEN body->>'status' = 'won' THEN 0 ELSE -(body->>'amount')::bigint END)::bigint AS amount "
        "FROM objects WHERE kind IN ('charge', 'dispute') GROUP BY 1"
    )
    amounts = [
        {"amount": row["amount"], "currency": row["currency"], "source_types": {"card": row["amount"]}}
        for row in await cursor.fetchall()
    ] or [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]
    return {"object": "balance", "available": amounts, "livemode": False, "pending": []}
