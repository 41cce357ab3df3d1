"""Usage totals: added up from what the owners of work record, by the period they stamp, each record once."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from services.accounts import repository
from services.accounts.models import UsageEvent, UserPlan, UserUsageStats
from shared.contracts.billing import EntitlementChanged
from shared.contracts.common import UsageRecorded
from shared.database import ReadSession, WriteSession
from shared.ids import new_id
from shared.periods import months_after, period_of

COLUMNS = {
    "ai_generations": "ai_generations_count",
    "studio_jobs": "studio_jobs_count",
    "chat_messages": "chat_messages_count",
    "images": "images_generated",
    "export_seconds": "export_seconds_used",
    "voiceover_seconds": "voiceover_seconds_used",
}
# What a user has before billing has said anything: the free plan of the catalogue.
FREE_LIMITS = {
    "ai_generations": 10,
    "studio_jobs": 10,
    "chat_messages": 50,
    "export_seconds": 600,
    "voiceover_seconds": 300,
    "images": 20,
}
# The same instant may lose its last digits on the way through another service.
SAME_INSTANT = timedelta(seconds=1)

_COUNT = {
    metric: text(f"""
        WITH fresh AS (
            INSERT INTO usage_events (usage_id, user_id, metric, quantity, occurred_at, period_start)
            VALUES (:usage_id, :user_id, :metric, :quantity, :occurred_at, :period_start)
            ON CONFLICT (usage_id) DO NOTHING RETURNING quantity
        )
        INSERT INTO user_usage_stats AS s (id, user_id, period_start, period_end, {column}, updated_at)
        SELECT :id, :user_id, :period_start, :period_end, quantity, :now FROM fresh
        ON CONFLICT (user_id, period_start) DO UPDATE
           SET {column} = s.{column} + EXCLUDED.{column}, updated_at = EXCLUDED.updated_at,
               period_end = GREATEST(s.period_end, EXCLUDED.period_end)
    """)  # noqa: S608 - the column comes from the table above
    for metric, column in COLUMNS.items()
}


@dataclass(slots=True)
class Usage:
    """Totals by column. Seconds, not minutes."""

    period_start: datetime
    period_end: datetime
    limits: dict[str, int]
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COLUMNS.values(), 0))


async def record_usage(session: WriteSession, usage: UsageRecorded, *, now: datetime) -> None:
    """Add one record to its period's totals; the same record again changes nothing, and order does not matter."""
    values = usage.model_dump(include={"usage_id", "user_id", "metric", "quantity"})
    times = {name: getattr(usage, name) for name in ("occurred_at", "period_start", "period_end")}
    await session.execute(_COUNT[usage.metric], {**values, **times, "id": new_id(), "now": now})


async def project_plan(session: WriteSession, snapshot: EntitlementChanged, *, now: datetime) -> None:
    """Keep billing's newest snapshot of a user's plan; an older one that arrives late changes nothing."""
    row = {
        "user_id": snapshot.user_id,
        "version": snapshot.version,
        "plan_id": snapshot.plan_id,
        "limits": dict(snapshot.limits),
        "period_anchor": snapshot.period_anchor,
        "updated_at": now,
    }
    statement = insert(UserPlan).values(row)
    newer = statement.on_conflict_do_update(
        index_elements=["user_id"], set_=row, where=UserPlan.version < snapshot.version
    )
    await session.execute(newer)


async def read_current_usage(session: ReadSession, user_id: UUID, *, now: datetime) -> Usage:
    """The period the user is in: the one their plan says, with the totals stamped for it."""
    plan = await session.get(UserPlan, user_id)
    limits = plan.limits if plan else FREE_LIMITS
    rows = await _rows(session, user_id, UserUsageStats.period_start <= now, UserUsageStats.period_end > now)
    if plan is None:
        anchor = await _verified_at(session, user_id) or now
        return _summed(rows[-1:], period_of(anchor, now), limits)
    start, end = period_of(plan.period_anchor, now)
    mine = [row for row in rows if abs(row.period_start - start) <= SAME_INSTANT]
    return _summed(mine, (start, end), limits)


async def read_usage_of_month(session: ReadSession, user_id: UUID, month: datetime) -> Usage:
    """All periods that began in a calendar month (UTC), which are two when a plan was bought within it."""
    start, end = month, months_after(month, 1)
    rows = await _rows(session, user_id, UserUsageStats.period_start >= start, UserUsageStats.period_start < end)
    plan = await session.get(UserPlan, user_id)
    return _summed(rows, (start, end), plan.limits if plan else FREE_LIMITS)


async def read_history(
    session: ReadSession, user_id: UUID, metric: str, since: datetime, until: datetime
) -> list[tuple[datetime, int]]:
    """What was used on each day (UTC) that had any, from `since` up to and without `until`."""
    day = func.date_trunc("day", UsageEvent.occurred_at, "UTC").label("day")
    wanted = (
        select(day, func.sum(UsageEvent.quantity))
        .where(UsageEvent.user_id == user_id, UsageEvent.metric == metric)
        .where(UsageEvent.occurred_at >= since, UsageEvent.occurred_at < until)
        .group_by(day)
        .order_by(day)
    )
    return [(row[0].astimezone(UTC), int(row[1])) for row in await session.execute(wanted)]


async def _rows(session: ReadSession, user_id: UUID, *conditions: object) -> list[UserUsageStats]:
    wanted = select(UserUsageStats).where(UserUsageStats.user_id == user_id, *conditions)  # type: ignore[arg-type]
    return list(await session.scalars(wanted.order_by(UserUsageStats.period_start)))


async def _verified_at(session: ReadSession, user_id: UUID) -> datetime | None:
    return (await repository.get_user(session, user_id)).email_verified_at


def _summed(rows: list[UserUsageStats], period: tuple[datetime, datetime], limits: dict[str, int]) -> Usage:
    if not rows:
        return Usage(*period, limits)
    usage = Usage(rows[0].period_start, max(row.period_end for row in rows), limits)
    for row in rows:
        for column in COLUMNS.values():
            usage.counts[column] += getattr(row, column)
    return usage
