-- Hold units before work is accepted: the first metric that has too little left, or NULL when all are held.
-- The rows are locked in the order of their metric, here and in usage_settle_v1, so that no two holds wait in a circle.
CREATE FUNCTION usage_hold_v2(
  p_user uuid, p_units jsonb, p_limits jsonb, p_start timestamptz, p_end timestamptz, p_now timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  c usage_counters;
BEGIN
  INSERT INTO usage_counters (user_id, metric, period_start, period_end, lim)
    SELECT p_user, key, p_start, p_end, 0 FROM jsonb_each(p_units) ORDER BY key
    ON CONFLICT (user_id, metric, period_start) DO NOTHING;
  FOR c IN SELECT * FROM usage_counters
            WHERE user_id = p_user AND period_start = p_start AND p_units ? metric ORDER BY metric FOR NO KEY UPDATE LOOP
    IF NOT usage_fits_v1(c, (p_units ->> c.metric)::bigint, COALESCE((p_limits ->> c.metric)::bigint, 0), p_now) THEN
      RETURN c.metric;
    END IF;
  END LOOP;
  FOR c IN SELECT * FROM usage_counters
            WHERE user_id = p_user AND period_start = p_start AND p_units ? metric ORDER BY metric LOOP
    PERFORM usage_take_v1(c, (p_units ->> c.metric)::bigint, COALESCE((p_limits ->> c.metric)::bigint, 0), p_end, p_now);
  END LOOP;
  RETURN NULL;
END $$;

-- Give back what the job held and count what it used, in the period in which it was accepted.
CREATE OR REPLACE FUNCTION usage_settle_v1(p_job jobs, p_used jsonb, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  c usage_counters;
  v_held bigint; v_used bigint; v_percent int; v_id uuid;
BEGIN
  INSERT INTO usage_counters (user_id, metric, period_start, period_end, lim, plan_lim)
    SELECT p_job.user_id, key, p_job.period_start, p_job.period_end, 0, COALESCE(
        (SELECT (e.limits ->> key)::bigint FROM entitlements e WHERE e.user_id = p_job.user_id), 0)
      FROM jsonb_each(p_used) ORDER BY key
    ON CONFLICT (user_id, metric, period_start) DO NOTHING;
  FOR c IN SELECT * FROM usage_counters
            WHERE user_id = p_job.user_id AND period_start = p_job.period_start
              AND (p_job.units_held ? metric OR p_used ? metric)
            ORDER BY metric FOR NO KEY UPDATE LOOP
    v_held := COALESCE((p_job.units_held ->> c.metric)::bigint, 0);
    v_used := COALESCE((p_used ->> c.metric)::bigint, 0);
    IF v_used > 0 THEN
      v_id := atelier_uuid7();
      PERFORM outbox_add('usage.recorded', 'usage/' || v_id, 1, jsonb_build_object(
        'usage_id', v_id, 'user_id', p_job.user_id, 'metric', c.metric, 'quantity', v_used,
        'occurred_at', jobs_time_v1(p_now), 'period_start', jobs_time_v1(c.period_start),
        'period_end', jobs_time_v1(c.period_end), 'ref_type', 'job', 'ref_id', p_job.id), '/services/jobs', 1, p_now);
      FOREACH v_percent IN ARRAY ARRAY[80, 100] LOOP
        IF c.used * 100 < v_percent * c.lim AND (c.used + v_used) * 100 >= v_percent * c.lim THEN
          c.notices := c.notices + 1;
          PERFORM outbox_add('usage.threshold_reached', 'threshold/' || p_job.user_id || '-' || c.metric,
            extract(epoch FROM c.period_start)::bigint * 1000 + c.notices, jsonb_build_object(
            'user_id', p_job.user_id, 'metric', c.metric, 'percent', v_percent, 'used', c.used + v_used,
            'limit', c.lim, 'period_end', jobs_time_v1(c.period_end)), '/services/jobs', 1, p_now);
        END IF;
      END LOOP;
    END IF;
    PERFORM usage_book_v1(c, v_held, v_used, p_now);
  END LOOP;
END $$;

-- Accept a job: `{"id": …}` when it stands in the queue, `{"short": metric}` when the quota does not allow it.
-- p_job holds the columns of jobs; p_limits the plan's own limits, to which grants add; p_cost the expected seconds of work.
CREATE OR REPLACE FUNCTION jobs_create_v1(
  p_job jsonb, p_limits jsonb, p_cost real, p_weight real, p_max_running int, p_now timestamptz
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  j jobs; e record; v_short text; v_waits boolean;
BEGIN
  j := jsonb_populate_record(NULL::jobs, p_job || jsonb_build_object(
    'status', 'PENDING', 'progress', 0, 'attempt', 0, 'version', 1, 'created_at', p_now, 'updated_at', p_now));
  -- Shared with other creates, exclusive to a change of plan: weight and limit of a new row are never stale.
  SELECT weight, max_running INTO e FROM entitlements WHERE user_id = j.user_id FOR SHARE;
  INSERT INTO tenant_lanes (user_id, lane, weight, max_running)
    VALUES (j.user_id, j.lane, COALESCE(e.weight, p_weight), COALESCE(e.max_running, p_max_running))
    ON CONFLICT (user_id, lane) DO NOTHING;
  PERFORM 1 FROM tenant_lanes WHERE user_id = j.user_id AND lane = j.lane FOR NO KEY UPDATE;
  v_short := usage_hold_v2(j.user_id, j.units_held, p_limits, j.period_start, j.period_end, p_now);
  IF v_short IS NOT NULL THEN RETURN jsonb_build_object('short', v_short); END IF;
  v_waits := COALESCE(j.run_at > p_now, false);
  INSERT INTO jobs SELECT j.*;
  INSERT INTO job_queue (job_id, user_id, lane, tool, priority, run_at, state, max_attempts, est_cost)
    VALUES (j.id, j.user_id, j.lane, j.tool, j.priority, COALESCE(j.run_at, p_now),
            CASE WHEN v_waits THEN 2 ELSE 0 END, j.max_attempts, p_cost);
  IF NOT v_waits THEN PERFORM jobs_make_ready_v1(j.user_id, j.lane); END IF;
  PERFORM jobs_publish_v1(j, 'job.created', jobs_facts_v1(j), p_now);
  RETURN jsonb_build_object('id', j.id);
END $$;
