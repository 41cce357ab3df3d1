"""The state of our one Stripe account, as one transaction sees it: objects, events, and things due later."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deploy.stripe_twin import outbound
from deploy.stripe_twin.conformance import API_VERSION
from deploy.stripe_twin.errors import no_such
from deploy.stripe_twin.ids import random_text
from deploy.stripe_twin.store import Connection

Body = dict[str, Any]
DAY = 86_400


def public(body: Body) -> Body:
    """Without the fields that are the twin's own business; they start with an underscore."""
    return {name: value for name, value in body.items() if not name.startswith("_")}


@dataclass
class Account:
    """`now` is the domain time of this transaction in whole seconds: the due time when something falls due."""

    connection: Connection
    now: int
    public_url: str
    request_id: str | None = None
    idempotency_key: str | None = None

    async def find(self, kind: str, object_id: str) -> Body | None:
        cursor = await self.connection.execute(
            "SELECT body FROM objects WHERE kind = %s AND id = %s", [kind, object_id]
        )
        row = await cursor.fetchone()
        return row["body"] if row else None

    async def get(self, kind: str, object_id: str, param: str = "id") -> Body:
        """Raises resource_missing, naming the parameter that held the id."""
        body = await self.find(kind, object_id)
        if body is None:
            raise no_such(kind, object_id, param)
        return body

    async def find_any(self, object_id: str) -> Body | None:
        """Whatever has this id, for expansion."""
        cursor = await self.connection.execute("SELECT body FROM objects WHERE id = %s LIMIT 1", [object_id])
        row = await cursor.fetchone()
        return row["body"] if row else None

    async def where(self, kind: str, **fields: str | bool) -> list[Body]:
        """All objects of a kind whose fields have these values, oldest first."""
        conditions = "".join(f" AND body->>'{name}' = %s" for name in fields)
        values = [str(value).lower() if isinstance(value, bool) else value for value in fields.values()]
        cursor = await self.connection.execute(
            f"SELECT body FROM objects WHERE kind = %s{conditions} ORDER BY seq",  # noqa: S608 -- field names are ours
            [kind, *values],
        )
        return [row["body"] for row in await cursor.fetchall()]

    async def save(self, body: Body) -> Body:
        await self.connection.execute(
            "INSERT INTO objects (kind, id, customer, created, body) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT (kind, id) DO UPDATE SET customer = excluded.customer, body = excluded.body",
            [body["object"], body["id"], body.get("customer"), body.get("created", self.now), json.dumps(body)],
        )
        return body

    async def delete(self, kind: str, object_id: str) -> Body:
        await self.connection.execute("DELETE FROM objects WHERE kind = %s AND id = %s", [kind, object_id])
        return {"id": object_id, "object": kind, "deleted": True}

    async def create(self, event_type: str, body: Body) -> Body:
        """Save a new object and tell the world."""
        await self.save(body)
        await self.emit(event_type, body)
        return body

    async def change(self, event_type: str, body: Body, **changes: Any) -> Body:
        """Set fields, save, and tell the world what they were before. Nothing changed, nothing told."""
        previous = {name: body.get(name) for name, value in changes.items() if body.get(name) != value}
        body.update(changes)
        await self.save(body)
        if told := public(previous):
            await self.emit(event_type, body, told)
        return body

    async def emit(self, event_type: str, body: Body, previous: Body | None = None) -> None:
        """Store the event with the object as it is now, and one delivery for each endpoint that wants it."""
        data: Body = {"object": public(body)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = {
            "id": f"evt_1{random_text(23)}",
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": event_type,
        }
        await self.save(event)
        endpoints = [
            each for each in await self.where("webhook_endpoint", status="enabled") if _wants(each, event_type)
        ]
        await outbound.enqueue(self.connection, event, [each["id"] for each in endpoints])

    async def schedule(self, action: str, subject: str, due: int) -> None:
        """Do `action` to `subject` at domain time `due`; an earlier appointment of the same kind is moved."""
        await self.connection.execute(
            "INSERT INTO schedule (action, subject, due) VALUES (%s, %s, %s) "
            "ON CONFLICT (action, subject) DO UPDATE SET due = excluded.due",
            [action, subject, due],
        )

    async def unschedule(self, subject: str, actions: Sequence[str] = ()) -> None:
        """Forget appointments of a subject: these, or all."""
        await self.connection.execute(
            "DELETE FROM schedule WHERE subject = %s AND (%s OR action = ANY(%s))",
            [subject, not actions, list(actions)],
        )


def _wants(endpoint: Body, event_type: str) -> bool:
    return "*" in endpoint["enabled_events"] or event_type in endpoint["enabled_events"]


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def moment(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
