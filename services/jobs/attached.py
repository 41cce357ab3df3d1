"""Runners that an operator attaches over HTTP, in any language: the same leases and tokens as our own."""

import hashlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from services.jobs.catalogue import LANES
from services.jobs.errors import LeaseLost, OutputMissing, ToolNotGranted, UploadTooLarge
from services.jobs.pace import backoff_seconds
from services.jobs.parts import JobsParts
from services.jobs.queue import Claim, Lease
from services.jobs.uploads import LARGEST_BODY, plain_name
from shared.ids import new_id

# No machine can have this name, so that no local runner ever takes these for dead neighbours of its own.
HOST = "(attached)"

_SEEN = """
    INSERT INTO workers (id, host, boot_id, pid, start_ticks, slots, tools)
    VALUES (%s, %s, '', 0, 0, %s::jsonb, %s::jsonb)
    ON CONFLICT (id) DO UPDATE SET seen_at = now(), slots = EXCLUDED.slots, tools = EXCLUDED.tools
    RETURNING draining_at
"""
_BEATS = "UPDATE workers SET seen_at = now() WHERE id = %s"
_HELD = """
    SELECT q.job_id, q.lease_token AS token, q.attempt, q.worker_id, q.tool, a.started_at, j.units_held
      FROM job_queue q JOIN jobs j ON j.id = q.job_id
      JOIN job_attempts a ON a.job_id = q.job_id AND a.attempt = q.attempt
     WHERE q.job_id = %s AND q.lease_token = %s AND q.state = 1 AND starts_with(q.worker_id, %s)
"""
_ANNOUNCE = """
    INSERT INTO runner_outputs (id, job_id, token, key, name, content_type, size, created_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_OUTPUTS = "SELECT * FROM runner_outputs WHERE job_id = %s AND token = %s"
_FORGET = "DELETE FROM runner_outputs WHERE job_id = %s AND token = %s RETURNING key"


@dataclass(frozen=True, slots=True)
class Held(Lease):
    """A job that a runner with this key works on, proved by its token."""

    attempt: int
    worker_id: str
    tool: str
    started_at: datetime
    units_held: dict[str, int]

    @property
    def prefix(self) -> str:
        return f"results/{self.job_id}/{self.attempt}-{str(self.token)[:8]}"


@dataclass(frozen=True, slots=True)
class Announced:
    """What a runner says it will send; `size` in bytes."""

    name: str
    content_type: str
    size: int


def name_of(key_id: str | None, worker_id: str) -> str:
    """A worker's name in the queue begins with its key: what one key holds is nobody else's."""
    return f"{_owner(key_id)}{worker_id}"


def _owner(key_id: str | None) -> str:
    return f"runner:{key_id}:"


def check_tools(granted: Sequence[str], asked: Sequence[str]) -> None:
    """Raises ToolNotGranted. A key without tools is for all of them."""
    beyond = sorted(set(asked) - set(granted)) if granted else []
    if beyond:
        raise ToolNotGranted(f"The key does not allow {beyond[0]}.")


async def sign_in(parts: JobsParts, worker: str, tools: Sequence[str], most: int) -> bool:
    """Note that the worker is there and what it can do. Returns whether it may claim."""
    slots = {lane: most for lane in LANES if _in_lane(parts, lane, tools)}
    values = (worker, HOST, orjson.dumps(slots).decode(), orjson.dumps(list(tools)).decode())
    async with parts.runtime.database.pool.connection() as connection:
        row = await (await connection.execute(_SEEN, values)).fetchone()
    assert row is not None
    return row["draining_at"] is None


def _in_lane(parts: JobsParts, lane: str, tools: Sequence[str]) -> list[str]:
    """What is asked of a provider is not for machines of our own, and no tool is in its lane."""
    return [tool for tool in parts.desk.catalogue.tools_elsewhere(lane) if tool in tools]


async def claim(parts: JobsParts, worker: str, tools: Sequence[str], most: int) -> list[Claim]:
    """Up to `most` jobs, lane by lane, each the next one by the queue's own rule of fairness."""
    lease, now, claims = parts.settings.lease_seconds, parts.runtime.clock.now(), list[Claim]()
    for lane in LANES:
        able = _in_lane(parts, lane, tools)
        while able and len(claims) < most:
            more = await parts.queue.claim(lane, able, worker, lease=lease, now=now, most=most - len(claims))
            if not more:
                break
            claims += more
    if claims:
        parts.runtime.database.committed_events()
        parts.wakeups.ring("change")
    return claims


async def find_held(parts: JobsParts, key_id: str | None, job_id: UUID, token: UUID) -> Held | None:
    """The job if a worker with this key holds it by this token; None when it is, or has become, another's."""
    async with parts.runtime.database.pool.connection() as connection:
        row = await (await connection.execute(_HELD, (job_id, token, _owner(key_id)))).fetchone()
    return Held(**row) if row else None


async def heartbeat(parts: JobsParts, held: Held, progress: int, stage: str) -> str:
    lease, now = parts.settings.lease_seconds, parts.runtime.clock.now()
    answer = await parts.queue.heartbeat(held, lease=lease, progress=progress, stage=stage, now=now)
    async with parts.runtime.database.pool.connection() as connection:
        await connection.execute(_BEATS, (held.worker_id,))
    parts.wakeups.ring("change")
    return answer


async def announce(parts: JobsParts, held: Held, announced: Announced) -> tuple[UUID, str]:
    """Expect a file; returns its id and the key it is to be sent to. Raises UploadTooLarge."""
    if announced.size > LARGEST_BODY:
        raise UploadTooLarge(f"A file may have at most {LARGEST_BODY} bytes.")
    file_id = new_id()
    key = f"incoming/runner/{held.job_id}/{file_id}"
    values = (announced.name, announced.content_type, announced.size, parts.runtime.clock.now())
    async with parts.runtime.database.pool.connection() as connection:
        await connection.execute(_ANNOUNCE, (file_id, held.job_id, held.token, key, *values))
    return file_id, key


async def take_files(parts: JobsParts, held: Held, made: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Copy what was sent to where nobody can overwrite it, and describe it as the job's row keeps it.

    Raises LeaseLost for a file that was not announced under this token, OutputMissing for one that has not arrived.
    """
    async with parts.runtime.database.pool.connection() as connection:
        rows = await (await connection.execute(_OUTPUTS, (held.job_id, held.token))).fetchall()
    known = {row["id"]: row for row in rows}
    if any(file["file_id"] not in known for file in made):
        raise LeaseLost("A file was not announced for this job.")
    return [
        await _take(parts, f"{held.prefix}/{number}-", known[file["file_id"]], file) for number, file in enumerate(made)
    ]


async def _take(parts: JobsParts, prefix: str, row: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    name = plain_name(row["name"])
    digest, key = hashlib.sha256(), prefix + name

    async def pieces() -> AsyncIterator[bytes]:
        async for piece in parts.runtime.storage.stream(row["key"], end=row["size"]):
            digest.update(piece)
            yield piece

    try:
        arrived = await parts.runtime.storage.size(row["key"])
    except FileNotFoundError:
        raise OutputMissing(f"{row['name']} has not arrived.") from None
    if arrived != row["size"]:
        raise OutputMissing(f"{row['size']} bytes of {row['name']} were announced, {arrived} arrived.")
    await parts.runtime.storage.put(key, pieces())
    seen = {part: made[part] for part in ("kind", "width", "height", "duration")}
    described = {"id": str(row["id"]), "key": key, "name": name, "content_type": row["content_type"]}
    return {**described, **seen, "bytes": arrived, "sha256": digest.hexdigest()}


async def forget_outputs(parts: JobsParts, held: Held) -> None:
    """The lease is over: nothing more may be sent, and what was sent has been copied or is not wanted."""
    async with parts.runtime.database.pool.connection() as connection:
        rows = await (await connection.execute(_FORGET, (held.job_id, held.token))).fetchall()
    for row in rows:
        await parts.runtime.storage.delete(row["key"])


def measured(parts: JobsParts, held: Held) -> dict[str, Any]:
    """What the queue charges: the time between claim and settlement, since a far clock is nobody's witness."""
    return {"run_seconds": max(0.0, (parts.runtime.clock.now() - held.started_at).total_seconds())}


def retry_delay(parts: JobsParts, held: Held, asked: float | None) -> float:
    """Seconds until the next attempt: what the runner asked for, else the queue's own back-off."""
    chance = random.uniform(0.5, 1.5)  # noqa: S311 - jitter
    return backoff_seconds(parts.settings.retry_base_seconds, held.attempt) * chance if asked is None else asked
