"""What users can do with jobs."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from services.jobs import repository
from services.jobs.catalogue import Catalogue, Plan, plan_work, price
from services.jobs.entitlements import FREE_PLAN, METRICS, Allowance, allowance_of, free_entitlement
from services.jobs.errors import AccountClosed, InvalidJob, JobNotRetryable, JobStillRunning
from services.jobs.models import Entitlement
from services.jobs.models_usage import UsageCounter
from services.jobs.settings import JobsSettings
from shared.database import ReadSession, WriteSession
from shared.errors import QuotaExceeded
from shared.ids import new_id

KIND_NAMES = {"image": "pictures", "video": "films", "audio": "sound"}
_CREATE = text("""
    SELECT jobs_create_v1(CAST(:job AS jsonb), CAST(:limits AS jsonb), CAST(:cost AS real), CAST(:weight AS real),
                          CAST(:max_running AS int), CAST(:now AS timestamptz))
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a user asks for."""

    family: str
    tool: str
    prompt: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    input_files: tuple[UUID, ...] = ()
    priority: int = 0
    run_at: datetime | None = None
    start_deadline_seconds: int | None = None
    seed: int
    metadata: dict[str, Any] = field(default_factory=dict)
    retry_of: UUID | None = None
    batch_id: UUID | None = None
    engine: str = "auto"


@dataclass(frozen=True, slots=True)
class Desk:
    """What taking orders needs besides the database."""

    catalogue: Catalogue
    settings: JobsSettings


async def create_job(session: WriteSession, desk: Desk, user_id: UUID, order: Order, now: datetime) -> UUID:
    """Hold the units and put the job into the queue, in one statement.

    Raises InvalidJob and its like for what the tool can't do, QuotaExceeded when too little is left.
    """
    plan = await plan_order(session, desk, user_id, order)
    allowance = await allowance_for(session, user_id, now)
    job = {**_columns(order, plan), **_terms(desk, allowance, order, now), "id": new_id(), "user_id": user_id}
    values = {
        "job": orjson.dumps(job).decode(),
        "limits": orjson.dumps(allowance.limits).decode(),
        "cost": plan.est_seconds,
        "weight": allowance.weight,
        "max_running": allowance.max_running,
        "now": now,
    }
    answer: dict[str, str] = (await session.execute(_CREATE, values)).scalar_one()
    if "short" in answer:
        raise QuotaExceeded(answer["short"], allowance.period_end)
    session.info["published"] = True
    return UUID(answer["id"])


def _columns(order: Order, plan: Plan) -> dict[str, Any]:
    tool = plan.tool
    return {
        "family": order.family,
        "tool": tool.id,
        "lane": plan.lane,
        "prompt": order.prompt,
        "options": plan.options,
        "input_files": order.input_files,
        "seed": order.seed,
        "metadata": order.metadata,
        "priority": order.priority,
        "retry_of": order.retry_of,
        "batch_id": order.batch_id,
        "provider": plan.engine.provider,
        "engine_version": plan.engine.version,
        "engine": order.engine,
        "units_held": plan.units,
        "max_attempts": 3,
    }


def _terms(desk: Desk, allowance: Allowance, order: Order, now: datetime) -> dict[str, Any]:
    """The period the job is counted in, when it may and must start, and how long its result is kept."""
    wait = order.start_deadline_seconds
    paid = allowance.plan_id != FREE_PLAN
    return {
        "period_start": allowance.period_start,
        "period_end": allowance.period_end,
        "run_at": order.run_at,
        "start_deadline": now + timedelta(seconds=wait) if wait else None,
        "retention_days": desk.settings.paid_retention_days if paid else desk.settings.free_retention_days,
    }


async def plan_order(session: ReadSession, desk: Desk, user_id: UUID, order: Order) -> Plan:
    """Check an order without writing anything. Raises InvalidJob and its like."""
    catalogue = await catalogue_for(session, desk, order.tool)
    tool = catalogue.get_tool(order.tool, order.family)
    plan = plan_work(tool, order.prompt, order.options, len(order.input_files))
    engine = catalogue.choose_engine(tool, order.engine)
    plan = replace(plan, engine=engine, lane=catalogue.lane_of(tool, engine))
    if not order.input_files:
        return price(plan, order.prompt, [])
    found = {file.id: file for file in await repository.list_ready_files(session, user_id, order.input_files)}
    for position, file_id in enumerate(order.input_files):
        if file_id not in found:
            raise InvalidJob.at(f"input_files.{position}", "file_not_found", "There is no such file.")
        if (found[file_id].media or {}).get("kind") not in tool.input_kinds:
            wanted = " or ".join(KIND_NAMES[kind] for kind in tool.input_kinds)
            raise InvalidJob.at(f"input_files.{position}", "wrong_kind", f"{tool.title} takes {wanted}.")
    return price(plan, order.prompt, [found[file_id].media or {} for file_id in order.input_files])


async def catalogue_for(session: ReadSession, desk: Desk, tool_id: str) -> Catalogue:
    """The catalogue for an order of this tool. Runners are asked for only where this host can't do the work itself."""
    return desk.catalogue if desk.catalogue.is_available_here(tool_id) else await catalogue_now(session, desk)


async def catalogue_now(session: ReadSession, desk: Desk) -> Catalogue:
    """The catalogue with what the runners that are alive can do, wherever they are."""
    return replace(desk.catalogue, manned=frozenset(await repository.list_tools_of_runners(session)))


async def allowance_for(session: WriteSession, user_id: UUID, now: datetime) -> Allowance:
    """What the user may use now. Whoever is seen for the first time is on the free plan from now on."""
    entitlement = await repository.find_entitlement(session, user_id)
    if entitlement is None:
        await begin_free_plan(session, user_id, now, now)
        entitlement = await repository.find_entitlement(session, user_id)
        assert entitlement is not None
    if entitlement.disabled_at is not None:
        raise AccountClosed
    return allowance_of(entitlement, now)


async def begin_free_plan(session: WriteSession, user_id: UUID, anchor: datetime, now: datetime) -> None:
    """Give a user we know nothing of the free plan; whoever has a plan keeps it."""
    free = free_entitlement(user_id, anchor, now)
    values = {column.key: getattr(free, column.key) for column in Entitlement.__table__.columns}
    await session.execute(insert(Entitlement).values(values).on_conflict_do_nothing())


async def look_up_allowance(session: ReadSession, user_id: UUID, now: datetime) -> Allowance:
    """As `allowance_for`, without writing."""
    entitlement = await repository.find_entitlement(session, user_id)
    return allowance_of(entitlement or free_entitlement(user_id, now, now), now)


async def tell_usage(
    session: ReadSession, user_id: UUID, now: datetime
) -> tuple[Allowance, dict[str, UsageCounter | None]]:
    """The user's allowance, here with what grants add to it, and the counter of each metric in the current period."""
    allowance = await look_up_allowance(session, user_id, now)
    rows = {row.metric: row for row in await repository.list_counters(session, user_id, allowance.period_start)}
    counters = {metric: rows.get(metric) for metric in METRICS}
    room = await repository.list_room(session, user_id, METRICS, now)
    limits = {metric: _paid_by_plan(allowance, counters[metric], metric) + room[metric] for metric in METRICS}
    return replace(allowance, limits=limits), counters


def _paid_by_plan(allowance: Allowance, counter: UsageCounter | None, metric: str) -> int:
    """The plan's limit, or what it has paid for already if it was larger, with what grants have paid for."""
    limit = allowance.limits[metric]
    if counter is None:
        return limit
    return max(limit, counter.used + counter.reserved - counter.drawn) + counter.drawn


async def retry_job(session: WriteSession, desk: Desk, user_id: UUID, job_id: UUID, now: datetime) -> UUID:
    """Order a failed or cancelled job again, as a new job. Raises JobNotRetryable."""
    job = await repository.get_job(session, user_id, job_id)
    if job.status not in {"FAILED", "CANCELLED"}:
        raise JobNotRetryable
    order = Order(
        family=job.family,
        tool=job.tool,
        prompt=job.prompt,
        options=job.options,
        input_files=tuple(UUID(file_id) for file_id in job.input_files),
        priority=job.priority,
        engine=job.engine or "auto",
        seed=job.seed,
        metadata=job.metadata_,
    )
    return await create_job(session, desk, user_id, replace(order, retry_of=job.id), now)


async def delete_job(session: WriteSession, user_id: UUID, job_id: UUID, now: datetime) -> list[str]:
    """Erase an ended job: what it said and what it made. The row stays as a tombstone for the books.

    Returns the keys of the files to remove. Raises JobStillRunning.
    """
    job = await repository.get_job(session, user_id, job_id)
    if not job.is_over:
        raise JobStillRunning
    job.prompt, job.options, job.metadata_, job.input_files = None, {}, {}, []
    job.result_data, job.result_files, job.result_url, job.deleted_at = None, None, None, now
    job.version, job.updated_at = job.version + 1, now
    return await forget_files(session, job.id)


async def forget_files(session: WriteSession, job_id: UUID) -> list[str]:
    """Mark a job's files as gone; returns their keys for whoever removes the bytes."""
    statement = text("UPDATE files SET status = 'GONE' WHERE job_id = :job_id AND status = 'READY' RETURNING key")
    return list(await session.scalars(statement, {"job_id": job_id}))
