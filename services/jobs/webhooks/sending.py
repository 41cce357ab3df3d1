"""Sending what is due: each message until it is taken, at most eight times over about a day."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from services.jobs import repository
from services.jobs.models import Batch, Job
from services.jobs.parts import JobsParts
from services.jobs.webhooks.gateway import Answer
from services.jobs.webhooks.signing import secret_of, signed_headers
from shared.database import ReadSession
from shared.runtime import Runtime

# Seconds from one try to the next: eight tries in about 28 hours.
WAITS = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
TRIES = len(WAITS) + 1
BATCH, EACH = 40, 5
# Longer than any try: whoever claimed a message and died leaves it to others after that.
CLAIM = timedelta(seconds=60)
GONE = 410

# A slow server has at most EACH of its messages on the way, and holds up nobody else's.
_CLAIM = """
    WITH due AS (
      SELECT d.id FROM (
        SELECT w.id, w.next_try_at, row_number() OVER (PARTITION BY w.endpoint_id ORDER BY w.next_try_at, w.id) AS place
          FROM webhook_deliveries w JOIN webhook_endpoints e ON e.id = w.endpoint_id AND e.disabled_at IS NULL
         WHERE w.status = 'PENDING' AND w.next_try_at <= %(now)s) f
        JOIN webhook_deliveries d ON d.id = f.id AND d.status = 'PENDING' AND d.next_try_at <= %(now)s
       WHERE f.place <= %(each)s ORDER BY f.next_try_at LIMIT %(batch)s FOR UPDATE OF d SKIP LOCKED)
    UPDATE webhook_deliveries d SET attempts = d.attempts + 1, next_try_at = %(until)s
      FROM due, webhook_endpoints e WHERE d.id = due.id AND e.id = d.endpoint_id
    RETURNING d.id, d.endpoint_id, d.event, d.job_id, d.batch_id, d.attempts, d.created_at,
              e.url, e.secret_id, e.previous_secret_id, e.previous_until
"""
# A redelivery that was asked for meanwhile began a new count, and this try is no longer part of it.
_RECORD = """
    UPDATE webhook_deliveries
       SET status = %(status)s, next_try_at = %(next)s, delivered_at = %(delivered)s, tries = tries || %(entry)s::jsonb
     WHERE id = %(id)s AND attempts = %(attempts)s AND status = 'PENDING'
"""
_DISABLE = """
    UPDATE webhook_endpoints SET disabled_at = %s, disabled_reason = 'The server answered 410 Gone.'
     WHERE id = %s AND disabled_at IS NULL
"""
_GIVE_UP = "UPDATE webhook_deliveries SET status = 'FAILED' WHERE endpoint_id = %s AND status = 'PENDING'"


async def deliver_due(runtime: Runtime) -> int:
    """Try everything that is due, all at the same time; returns how many messages there were."""
    now = runtime.clock.now()
    values = {"now": now, "until": now + CLAIM, "each": EACH, "batch": BATCH}
    async with runtime.database.pool.connection() as connection:
        due = await (await connection.execute(_CLAIM.encode(), values)).fetchall()
    await asyncio.gather(*(_deliver(runtime.parts, row) for row in due))
    return len(due)


async def _deliver(parts: JobsParts, row: dict[str, Any]) -> None:
    async with parts.runtime.database.read() as session:
        data = await _data(parts, session, row)
    body = orjson.dumps({"type": row["event"], "timestamp": row["created_at"].astimezone(UTC), "data": data}).decode()
    # The signature's time is wall time, which is what the receiver compares it with.
    headers = signed_headers(str(row["id"]), datetime.now(UTC), body, _secrets(parts, row))
    began = time.monotonic()
    answer = await parts.webhooks.post(row["url"], body.encode(), headers)
    await _record(parts, row, answer, round((time.monotonic() - began) * 1000))


async def _data(parts: JobsParts, session: ReadSession, row: dict[str, Any]) -> dict[str, Any]:
    """The state of what ended, with links that are good for some minutes from now."""
    if row["batch_id"] is not None:
        return {"batch": await _batch(session, row["batch_id"])}
    job = await session.get(Job, row["job_id"])
    shown = await parts.presenter.show(session, job) if job else None
    return {"job": shown.model_dump(mode="json", exclude={"webhook"}) if shown else {"id": str(row["job_id"])}}


async def _batch(session: ReadSession, batch_id: UUID) -> dict[str, Any]:
    batch = await session.get(Batch, batch_id)
    counts = await repository.count_batch(session, batch_id)
    known = {"total": batch.total, "metadata": batch.metadata_, "completed_at": batch.completed_at} if batch else {}
    return {"id": batch_id, "status": "COMPLETED", "counts": counts, **known}


def _secrets(parts: JobsParts, row: dict[str, Any]) -> list[str]:
    ids = [row["secret_id"]]
    if row["previous_secret_id"] and row["previous_until"] > parts.runtime.clock.now():
        ids.append(row["previous_secret_id"])
    return [secret_of(secret_id, parts.settings.signing_secret) for secret_id in ids]


async def _record(parts: JobsParts, row: dict[str, Any], answer: Answer, ms: int) -> None:
    now = parts.runtime.clock.now()
    entry = {"at": now, "status": answer.status, "error": answer.error, "ms": ms}
    last = row["attempts"] >= TRIES
    status = "DELIVERED" if answer.is_success else "FAILED" if last or answer.status == GONE else "PENDING"
    wait = 0.0 if last else WAITS[row["attempts"] - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    values = {"id": row["id"], "attempts": row["attempts"], "status": status, "entry": orjson.dumps([entry]).decode()}
    values |= {"next": now + timedelta(seconds=wait), "delivered": now if answer.is_success else None}
    async with parts.runtime.database.pool.connection() as connection:
        await connection.execute(_RECORD, values)
        if answer.status == GONE:
            await connection.execute(_DISABLE, (now, row["endpoint_id"]))
            await connection.execute(_GIVE_UP, (row["endpoint_id"],))
