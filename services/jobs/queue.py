"""The queue's protocol: each call is one SQL function, one round trip, one commit. See `migrations/sql`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb

from shared.database import Database

Outcome = Literal["COMPLETED", "FAILED", "CANCELLED", "RETRY", "RELEASE", "CRASHED"]
READY, LEASED, WAITING = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job. Everything done with it carries the token: without it, the work is another's."""

    job_id: UUID
    token: UUID


@dataclass(frozen=True, slots=True)
class EngineName:
    """Who did the work, as the result tells it."""

    provider: str
    version: str


@dataclass(frozen=True, slots=True)
class Claim(Lease):
    """A job in hand."""

    user_id: UUID
    attempt: int
    lane: str
    tool: str
    prompt: str | None
    options: dict[str, Any]
    seed: int
    engine: str
    units: dict[str, int]
    input_ids: list[str]
    inputs: list[dict[str, Any]]


class Queue:
    """The queue in one database, on autocommit connections of the pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, lane: str, tools: Sequence[str], worker_id: str, *, lease: float, now: datetime, most: int = 1
    ) -> list[Claim]:
        """The lane's next jobs for `lease` seconds (database time); none when nothing may run.

        Fewer than `most` do not mean that nothing is left: what others are claiming from just now is passed over.
        """
        query = b"SELECT * FROM jobs_claim_v2(%s, %s, %s, %s, %s, %s)"
        values = (lane, list(tools), worker_id, lease, most, now)
        async with self._database.pool.connection() as connection:
            return [_claim_of(row) for row in await (await connection.execute(query, values)).fetchall()]

    async def heartbeat(
        self, held: Lease, *, lease: float, progress: int, stage: str, now: datetime
    ) -> Literal["ok", "cancel", "lost"]:
        query = "SELECT jobs_heartbeat_v1(%s, %s, %s, %s, %s, %s) AS answer"
        row = await self._call(query, held.job_id, held.token, lease, progress, stage, now)
        assert row is not None
        answer: Literal["ok", "cancel", "lost"] = row["answer"]
        return answer

    async def settle(
        self, held: Lease, outcome: Outcome, end: Mapping[str, Any], *, now: datetime, engine: EngineName | None = None
    ) -> str:
        """End the attempt. Returns what became of the job, or `LOST`: then throw the work away.

        `engine` is who did the work, if that is not who the job was accepted for.
        """
        values = (held.job_id, held.token, outcome, Jsonb(end, dumps=orjson.dumps))
        if engine is None:
            row = await self._call("SELECT jobs_settle_v1(%s, %s, %s, %s, %s) AS outcome", *values, now)
        else:
            query = "SELECT jobs_settle_as_v1(%s, %s, %s, %s, %s, %s, %s) AS outcome"
            row = await self._call(query, *values, engine.provider, engine.version, now)
        assert row is not None
        if row["outcome"] != "LOST":
            self._database.committed_events()
        return str(row["outcome"])

    async def cancel(self, job_id: UUID, *, by: str, now: datetime) -> str:
        """The job's status afterwards; PROCESSING means that its runner was asked to stop."""
        row = await self._call("SELECT jobs_cancel_v1(%s, %s, %s) AS status", job_id, by, now)
        self._database.committed_events()
        assert row is not None
        return str(row["status"])

    async def promote(self, now: datetime) -> int:
        """Let the waiting jobs whose time has come join the ready ones; returns how many."""
        return await self._repeat("SELECT jobs_promote_v1(%s) AS job_id", now)

    async def reap(self, now: datetime, *, worker_id: str | None = None) -> int:
        """Put back what lost its lease, or everything that a dead runner held; returns how many."""
        return await self._repeat("SELECT jobs_reap_v1(%s, %s) AS job_id", worker_id, now)

    async def miss_deadlines(self, now: datetime) -> int:
        return await self._repeat("SELECT jobs_miss_deadline_v1(%s) AS job_id", now)

    async def _repeat(self, query: str, *values: Any) -> int:
        count = 0
        while (row := await self._call(query, *values)) and row["job_id"] is not None:
            count += 1
        if count:
            self._database.committed_events()
        return count

    async def _call(self, query: str, *values: Any) -> dict[str, Any] | None:
        async with self._database.pool.connection() as connection:
            return await (await connection.execute(query.encode(), values)).fetchone()


def _claim_of(row: dict[str, Any]) -> Claim:
    job = row["job"]
    return Claim(
        job_id=UUID(job["id"]),
        user_id=UUID(job["user_id"]),
        token=row["token"],
        attempt=row["attempt"],
        lane=job["lane"],
        tool=job["tool"],
        prompt=job["prompt"],
        options=job["options"],
        seed=job["seed"],
        engine=job["engine"] or "auto",
        units=job["units_held"],
        input_ids=job["input_files"],
        inputs=row["inputs"],
    )
