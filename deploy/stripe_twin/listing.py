"""Stripe's cursor pagination: newest first, `starting_after` and `ending_before` name objects."""

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.errors import invalid, no_such

Condition = tuple[str, Any]
RANGE = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


async def list_objects(
    account: Account,
    kind: str,
    params: Body,
    fields: Mapping[str, str] | None = None,
    conditions: Sequence[Condition] = (),
) -> Body:
    """One page. `fields` maps parameters to SQL expressions that must equal them."""
    wanted = [*_equalities(params, fields or {}), *_created(params.get("created")), *conditions]
    limit = _limit(params)
    order, cursor = await _cursor(account, kind, params)
    sql = "".join(f" AND {condition}" for condition, _ in [*wanted, *cursor])
    values = [value for _, value in [*wanted, *cursor] if value is not None]
    result = await account.connection.execute(
        f"SELECT body FROM objects WHERE kind = %s{sql} ORDER BY seq {order} LIMIT %s",  # noqa: S608 -- our own SQL
        [kind, *values, limit + 1],
    )
    bodies = [row["body"] for row in await result.fetchall()]
    page = bodies[:limit] if order == "DESC" else bodies[:limit][::-1]
    url = f"/v1/{kind.replace('.', '/')}s"
    return {"object": "list", "url": url, "has_more": len(bodies) > limit, "data": page}


def page_of(bodies: list[Body], url: str) -> Body:
    """A list object inside another object, complete."""
    return {"object": "list", "data": bodies, "has_more": False, "url": url}


def slice_of(bodies: list[Body], url: str, params: Body) -> Body:
    """One page of a list that lives inside an object, in its own order."""
    limit, ids = _limit(params), [each["id"] for each in bodies]
    for name in ("starting_after", "ending_before"):
        if name in params and params[name] not in ids:
            raise no_such("object", params[name], name)
    if "ending_before" in params:
        before = bodies[: ids.index(params["ending_before"])]
        return {"object": "list", "url": url, "has_more": len(before) > limit, "data": before[-limit:]}
    after = bodies[ids.index(params["starting_after"]) + 1 :] if "starting_after" in params else bodies
    return {"object": "list", "url": url, "has_more": len(after) > limit, "data": after[:limit]}


def _limit(params: Body) -> int:
    limit = int(params.get("limit", 10))
    if not 1 <= limit <= 100:  # noqa: PLR2004 -- Stripe's own bounds
        raise invalid("This value must be between 1 and 100.", param="limit", code="parameter_invalid_integer")
    return limit


def _equalities(params: Body, fields: Mapping[str, str]) -> list[Condition]:
    return [
        (f"{sql} = %s", str(params[name]).lower() if isinstance(params[name], bool) else params[name])
        for name, sql in fields.items()
        if name in params
    ]


def _created(bounds: Any) -> list[Condition]:
    if bounds is None:
        return []
    if isinstance(bounds, int):
        return [("created = %s", bounds)]
    return [(f"created {RANGE[name]} %s", value) for name, value in bounds.items()]


async def _cursor(account: Account, kind: str, params: Body) -> tuple[str, list[Condition]]:
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise invalid("You cannot use both starting_after and ending_before.", param="ending_before")
    if before:
        return "ASC", [("seq > %s", await _position(account, kind, before, "ending_before"))]
    if after:
        return "DESC", [("seq < %s", await _position(account, kind, after, "starting_after"))]
    return "DESC", []


async def _position(account: Account, kind: str, object_id: str, param: str) -> int:
    result = await account.connection.execute("SELECT seq FROM objects WHERE kind = %s AND id = %s", [kind, object_id])
    row = await result.fetchone()
    if row is None:
        raise no_such(kind, object_id, param)
    return int(row["seq"])
