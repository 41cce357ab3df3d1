"""What an operator asks: does every count agree with what it counts?"""

from typing import Any

from shared.runtime import Runtime

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
    SELECT 'job_queue', COALESCE(j.id, q.job_id)::text, 'status',
           jsonb_build_object('state', q.state), jsonb_build_object('status', j.status)
      FROM (SELECT id, status FROM jobs WHERE status IN ('PENDING', 'PROCESSING')) j
      FULL JOIN job_queue q ON q.job_id = j.id
     WHERE q.job_id IS NULL OR j.id IS NULL OR (q.state = 1) <> (j.status = 'PROCESSING')
"""


async def reconcile(runtime: Runtime) -> list[dict[str, Any]]:
    """Every counter that disagrees with what it counts, as {what, owner, part, counted, found}. Must be empty."""
    async with runtime.database.pool.connection() as connection:
        return await (await connection.execute(_DRIFT.encode())).fetchall()
