"""Webhooks out: every event is a row per endpoint, posted with Stripe's signature until a 2xx comes back.

Deliveries run on wall time, as do the signatures; only what the events tell of runs on the twin's clock.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import random
import time
from typing import Any

import httpx

from deploy.stripe_twin.store import Connection, Store

log = logging.getLogger(__name__)
KNOBS: dict[str, Any] = {"duplicate": 0, "shuffle": False, "drop": False, "delay_ms": 0, "stop": False}
SHUFFLE_WINDOW_SECONDS = 0.4
TIMEOUT_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 60
MAX_ATTEMPTS = 5000  # About three days, as Stripe's own retries in live mode.


async def knobs(connection: Connection) -> dict[str, Any]:
    cursor = await connection.execute("SELECT name, value FROM knobs")
    return KNOBS | {row["name"]: row["value"] for row in await cursor.fetchall()}


async def turn_knobs(connection: Connection, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        await connection.execute(
            "INSERT INTO knobs VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, json.dumps(value)],
        )


async def enqueue(connection: Connection, event: dict[str, Any], endpoints: list[str]) -> None:
    """Write the deliveries of an event as the knobs say, in the transaction that made it."""
    current = await knobs(connection)
    state = "dropped" if await _is_dropped(connection, current["drop"], event["type"]) else "pending"
    delay = current["delay_ms"] / 1000
    for endpoint in endpoints:
        for _ in range(1 + int(current["duplicate"])):
            wait = delay + (random.random() * SHUFFLE_WINDOW_SECONDS if current["shuffle"] else 0)  # noqa: S311
            await connection.execute(
                "INSERT INTO deliveries (event, endpoint, state, due) "
                "VALUES (%s, %s, %s, clock_timestamp() + %s * interval '1 second')",
                [event["id"], endpoint, state, wait],
            )


async def _is_dropped(connection: Connection, drop: Any, event_type: str) -> bool:
    """`drop` is the knob: all, none, the next n events, or events of these types."""
    if isinstance(drop, list):
        return event_type in drop
    if isinstance(drop, bool) or drop == 0:
        return bool(drop)
    await turn_knobs(connection, {"drop": drop - 1})
    return True


async def resend(connection: Connection, event_id: str) -> int:
    """Queue the event once more for each of its endpoints, whatever the knobs say; returns how many."""
    cursor = await connection.execute(
        "INSERT INTO deliveries (event, endpoint) SELECT DISTINCT event, endpoint FROM deliveries WHERE event = %s",
        [event_id],
    )
    return cursor.rowcount


class DeliveryWorker:
    """Posts what is due, one after the other in order; with `shuffle`, in any order and several at once."""

    def __init__(self, store: Store, http: httpx.AsyncClient) -> None:
        self._store = store
        self._http = http
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            try:
                wait = await self._deliver_due()
            except Exception:
                log.exception("Webhook deliveries are interrupted.")
                wait = 1.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)

    async def _deliver_due(self) -> float:
        """Work until nothing is due; return how long to wait for the next."""
        while True:
            async with self._store.statement() as connection:
                shuffled = (await knobs(connection))["shuffle"]
                batch = await _due(connection, 8 if shuffled else 1)
                # Looked at after the batch: what was queued behind a stop must not slip out.
                if (await knobs(connection))["stop"]:
                    return 1.0
                if not batch:
                    return await _seconds_to_next(connection)
            await asyncio.gather(*(self._deliver(each) for each in batch))

    async def _deliver(self, delivery: dict[str, Any]) -> None:
        if delivery["url"] is None:
            return await self._record(delivery["id"], "dropped", "the endpoint is gone")
        payload = json.dumps(delivery["event"], indent=2)
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "stripe-signature": sign(payload, delivery["secret"]),
        }
        try:
            response = await self._http.post(
                delivery["url"], content=payload, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=False
            )
        except httpx.HTTPError as error:
            return await self._record(delivery["id"], "pending", type(error).__name__)
        await self._record(delivery["id"], "delivered" if response.is_success else "pending", str(response.status_code))

    async def _record(self, delivery_id: int, state: str, answer: str) -> None:
        """A failed attempt is due again after 1, 2, 4 … seconds, at most a minute."""
        async with self._store.statement() as connection:
            await connection.execute(
                "UPDATE deliveries SET attempts = attempts + 1, answer = %(answer)s, "
                "state = CASE WHEN %(state)s = 'pending' AND attempts >= %(most)s THEN 'failed' ELSE %(state)s END, "
                "due = clock_timestamp() + least(power(2, least(attempts, 10)), %(longest)s) * interval '1 second' "
                "WHERE id = %(id)s",
                {
                    "id": delivery_id,
                    "state": state,
                    "answer": answer,
                    "most": MAX_ATTEMPTS,
                    "longest": LONGEST_WAIT_SECONDS,
                },
            )


async def _due(connection: Connection, limit: int) -> list[dict[str, Any]]:
    cursor = await connection.execute(
        "SELECT d.id, e.body AS event, w.body->>'url' AS url, w.body->>'_secret' AS secret FROM deliveries d "
        "JOIN objects e ON e.kind = 'event' AND e.id = d.event "
        "LEFT JOIN objects w ON w.kind = 'webhook_endpoint' AND w.id = d.endpoint "
        "WHERE d.state = 'pending' AND d.due <= clock_timestamp() "
        "ORDER BY CASE WHEN %(limit)s > 1 THEN random() END, d.id LIMIT %(limit)s",
        {"limit": limit},
    )
    return await cursor.fetchall()


async def _seconds_to_next(connection: Connection) -> float:
    cursor = await connection.execute(
        "SELECT extract(epoch FROM min(due) - clock_timestamp())::float AS wait FROM deliveries WHERE state = 'pending'"
    )
    row = await cursor.fetchone()
    return 1.0 if row is None or row["wait"] is None else min(1.0, max(0.005, row["wait"]))


def sign(payload: str, secret: str, timestamp: int | None = None) -> str:
    """Stripe's scheme: HMAC-SHA256 over `timestamp.payload`, wall time in seconds."""
    timestamp = int(time.time()) if timestamp is None else timestamp
    digest = hmac.new(secret.encode(), f"{timestamp}.{payload}".encode(), hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"
