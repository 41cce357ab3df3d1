"""What an operator asks and orders; the same for the routes of staff, the command line and the metrics."""

from typing import Any
from uuid import UUID

from shared.runtime import Runtime

# A runner says every ten seconds that it is there; one that was silent for a minute has no slots.
_LANES = """
    SELECT l.lane, l.paused_at, COALESCE(q.ready, 0) AS ready, COALESCE(q.running, 0) AS running,
           COALESCE(q.waiting, 0) AS waiting, q.oldest_ready_seconds,
           (SELECT count(*) FROM tenant_lanes t WHERE t.lane = l.lane AND t.ready > 0) AS tenants,
           (SELECT COALESCE(sum((w.slots ->> l.lane)::int), 0) FROM workers w
             WHERE w.seen_at > now() - interval '1 minute' AND w.draining_at IS NULL) AS slots
      FROM lanes l LEFT JOIN (
        SELECT lane, count(*) FILTER (WHERE state = 0) AS ready, count(*) FILTER (WHERE state = 1) AS running,
               count(*) FILTER (WHERE state = 2) AS waiting,
               extract(epoch FROM %s::timestamptz - min(run_at) FILTER (WHERE state = 0))::float8
                 AS oldest_ready_seconds
          FROM job_queue GROUP BY lane) q ON q.lane = l.lane
     ORDER BY l.lane
"""
_TENANTS = """
    SELECT user_id, lane, ready, running, max_running, weight, vtime FROM tenant_lanes
     WHERE ready > 0 OR running > 0 ORDER BY running DESC, ready DESC, user_id LIMIT %s
"""
_WORKERS = """
    SELECT w.*, (SELECT count(*) FROM job_queue q WHERE q.worker_id = w.id AND q.state = 1) AS running
      FROM workers w ORDER BY w.started_at
"""
_WEBHOOKS = """
    SELECT count(*) AS pending,
           COALESCE(extract(epoch FROM %s::timestamptz - min(created_at)), 0)::float8 AS oldest_seconds
      FROM webhook_deliveries WHERE status = 'PENDING'
"""
_DRAIN = "UPDATE workers SET draining_at = COALESCE(draining_at, now()) WHERE id = %s RETURNING id"

_DRIFT = """
    SELECT 'tenant_lanes' AS what, t.user_id::text AS owner, t.lane AS part,
           jsonb_build_object('running', t.running, 'ready', t.ready) AS counted,
           jsonb_build_object('running', count(q.job_id) FILTER (WHERE q.state = 1),
                              'ready', count(q.job_id) FILTER (WHERE q.state = 0)) AS found
      FROM tenant_lanes t LEFT JOIN job_queue q ON q.user_id = t.user_id AND q.lane = t.lane
     GROUP BY t.user_id, t.lane, t.running, t.ready
    HAVING t.running <> count(q.job_id) FILTER (WHERE q.state = 1)
        OR t.ready <> count(q.job_id) FILTER (WHERE q.state = 0)
    UNION ALL
    SELECT 'usage_counters', u.user_id::text, u.metric || ' ' || u.period_start,
           jsonb_build_object('reserved', u.reserved), jsonb_build_object('reserved', COALESCE(h.held, 0))
      FROM usage_counters u LEFT JOIN (
        SELECT j.user_id, e.key AS metric, j.period_start, sum(e.value::bigint) AS held
          FROM jobs j CROSS JOIN jsonb_each_text(j.units_held) e
         WHERE j.status IN ('PENDING', 'PROCESSING') GROUP BY 1, 2, 3) h USING (user_id, metric, period_start)
     WHERE u.reserved <> COALESCE(h.held, 0)
    UNION ALL
    SELECT 'grant_draws', user_id::text, metric,
           jsonb_build_object('drawn', COALESCE(d.drawn, 0)), jsonb_build_object('drawn', COALESCE(u.drawn, 0))
      FROM (SELECT user_id, metric, sum(drawn) AS drawn FROM grant_draws GROUP BY 1, 2) d
      FULL JOIN (SELECT user_id, metric, sum(drawn) AS drawn FROM usage_counters GROUP BY 1, 2) u
      USING (user_id, metric)
     WHERE COALESCE(d.drawn, 0) <> COALESCE(u.drawn, 0)
    UNION ALL
    SELECT 'job_queue', COALESCE(j.id, q.job_id)::text, 'status',
           jsonb_build_object('state', q.state), jsonb_build_object('status', j.status)
      FROM (SELECT id, status FROM jobs WHERE status IN ('PENDING', 'PROCESSING')) j
      FULL JOIN job_queue q ON q.job_id = j.id
     WHERE q.job_id IS NULL OR j.id IS NULL OR (q.state = 1) <> (j.status = 'PROCESSING')
    UNION ALL
    SELECT 'job_batches', b.id::text, 'pending',
           jsonb_build_object('pending', b.pending, 'over', b.completed_at IS NOT NULL),
           jsonb_build_object('pending', count(j.id), 'over', count(j.id) = 0)
      FROM job_batches b LEFT JOIN jobs j ON j.batch_id = b.id AND j.status IN ('PENDING', 'PROCESSING')
     GROUP BY b.id HAVING b.pending <> count(j.id) OR (b.completed_at IS NOT NULL) <> (count(j.id) = 0)
"""


async def list_lanes(runtime: Runtime) -> list[dict[str, Any]]:
    return await _rows(runtime, _LANES, runtime.clock.now())


async def list_tenants(runtime: Runtime, *, most: int = 20) -> list[dict[str, Any]]:
    """The busiest users, lane by lane: what they have running and ready, and what their plan allows."""
    return await _rows(runtime, _TENANTS, most)


async def list_workers(runtime: Runtime) -> list[dict[str, Any]]:
    return await _rows(runtime, _WORKERS)


async def tell_webhooks(runtime: Runtime) -> dict[str, Any]:
    """How many messages wait to be sent, and for how many seconds the oldest has."""
    return (await _rows(runtime, _WEBHOOKS, runtime.clock.now()))[0]


async def pause_lane(runtime: Runtime, lane: str, *, by: UUID | None) -> bool:
    """Nothing of the lane is claimed any more; what runs goes on. Returns whether there is such a lane."""
    query = "UPDATE lanes SET paused_at = %s, paused_by = %s WHERE lane = %s RETURNING lane"
    return bool(await _rows(runtime, query, runtime.clock.now(), by, lane))


async def resume_lane(runtime: Runtime, lane: str) -> bool:
    query = "UPDATE lanes SET paused_at = NULL, paused_by = NULL WHERE lane = %s RETURNING lane"
    return bool(await _rows(runtime, query, lane))


async def drain_worker(runtime: Runtime, worker_id: str) -> bool:
    """The worker finishes what it has and claims nothing more. Returns whether there is such a worker."""
    return bool(await _rows(runtime, _DRAIN, worker_id))


async def _rows(runtime: Runtime, query: str, *values: Any) -> list[dict[str, Any]]:
    async with runtime.database.pool.connection() as connection:
        return await (await connection.execute(query.encode(), values)).fetchall()


async def reconcile(runtime: Runtime) -> list[dict[str, Any]]:
    """Every counter that disagrees with what it counts, as {what, owner, part, counted, found}. Must be empty."""
    return await _rows(runtime, _DRIFT)
