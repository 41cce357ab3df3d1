-- Lock order everywhere: ready or waiting row: tenant -> queue -> jobs -> usage; leased row: queue -> tenant -> jobs -> usage.
-- A queue row changes its class only under the tenant's lock, so the two orders never meet.
-- p_now is domain time; leases use the database's clock.

CREATE FUNCTION jobs_publish_v1(p_job jobs, p_type text, p_more jsonb, p_now timestamptz) RETURNS void LANGUAGE sql AS $$
  SELECT outbox_add(p_type, 'job/' || (p_job).id, (p_job).version, jsonb_build_object(
    'job_id', (p_job).id, 'user_id', (p_job).user_id, 'family', (p_job).family, 'tool', (p_job).tool,
    'attempt', (p_job).attempt) || p_more, '/services/jobs', 1, p_now)
$$;

-- The facts of job.created, job.started and job.retry_scheduled.
CREATE FUNCTION jobs_facts_v1(p_job jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('units', (p_job).units_held, 'run_at', jobs_time_v1((p_job).run_at))
$$;

-- Where a tenant that becomes active starts: beside the least served of the active ones, or, in an idle lane, beside the
-- most served of all. Idling banks no credit.
CREATE FUNCTION jobs_floor_v1(p_lane text) RETURNS double precision LANGUAGE sql STABLE AS $$
  SELECT COALESCE(
    (SELECT min(vtime) FROM tenant_lanes WHERE lane = p_lane AND (ready > 0 OR running > 0)),
    (SELECT max(vtime) FROM tenant_lanes WHERE lane = p_lane), 0)
$$;

-- One more job of the tenant may run. The caller holds the tenant's row.
CREATE FUNCTION jobs_make_ready_v1(p_user uuid, p_lane text) RETURNS void LANGUAGE sql AS $$
  UPDATE tenant_lanes SET ready = ready + 1,
      vtime = CASE WHEN ready = 0 AND running = 0 THEN GREATEST(vtime, jobs_floor_v1(p_lane)) ELSE vtime END
    WHERE user_id = p_user AND lane = p_lane
$$;

-- Accept a job: `{"id": …}` when it stands in the queue, `{"short": metric}` when the quota does not allow it.
-- p_job holds the columns of jobs; p_limits the limits with grants; p_cost the expected seconds of work.
CREATE FUNCTION jobs_create_v1(
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
  v_short := usage_hold_v1(j.user_id, j.units_held, p_limits, j.period_start, j.period_end);
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

-- Let one waiting job whose time has come join the ready ones; its id, or NULL when none is due.
CREATE FUNCTION jobs_promote_v1(p_now timestamptz) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  q record;
BEGIN
  SELECT job_id, user_id, lane INTO q FROM job_queue WHERE state = 2 AND run_at <= p_now ORDER BY run_at LIMIT 1;
  IF NOT FOUND THEN RETURN NULL; END IF;
  PERFORM 1 FROM tenant_lanes WHERE user_id = q.user_id AND lane = q.lane FOR NO KEY UPDATE;
  UPDATE job_queue SET state = 0 WHERE job_id = q.job_id AND state = 2;
  IF FOUND THEN PERFORM jobs_make_ready_v1(q.user_id, q.lane); END IF;
  RETURN q.job_id;
END $$;

-- Take the next job of a lane: the least served tenant that may run, then that tenant's most urgent job.
-- Pass 1 skips tenants that others hold; pass 2 waits, so that a lone busy tenant never looks like an empty queue.
CREATE FUNCTION jobs_claim_v1(p_lane text, p_tools text[], p_worker text, p_lease double precision, p_now timestamptz)
RETURNS TABLE (token uuid, attempt int, job jsonb, inputs jsonb) LANGUAGE plpgsql AS $$
DECLARE
  u uuid; q job_queue; j jobs;
BEGIN
  -- A claim that a crash of the database forgets is a lease that never was: the job is simply claimed again.
  PERFORM set_config('synchronous_commit', 'off', true);
  IF EXISTS (SELECT 1 FROM lanes l WHERE l.lane = p_lane AND l.paused_at IS NOT NULL) THEN RETURN; END IF;
  FOR pass IN 1..2 LOOP
    u := jobs_next_tenant_v1(p_lane, p_tools, pass = 1);
    CONTINUE WHEN u IS NULL;
    UPDATE job_queue x SET state = 1, attempt = x.attempt + 1, lease_token = gen_random_uuid(),
        lease_until = clock_timestamp() + p_lease * interval '1 second', worker_id = p_worker
      WHERE x.job_id = (SELECT y.job_id FROM job_queue y
                         WHERE y.user_id = u AND y.lane = p_lane AND y.state = 0 AND y.tool = ANY(p_tools)
                         ORDER BY y.priority DESC, y.run_at, y.seq LIMIT 1 FOR UPDATE SKIP LOCKED)
      RETURNING x.* INTO q;
    CONTINUE WHEN q.job_id IS NULL;
    UPDATE tenant_lanes t SET running = t.running + 1, ready = t.ready - 1, vtime = t.vtime + q.est_cost / t.weight
      WHERE t.user_id = u AND t.lane = p_lane;
    UPDATE jobs x SET status = 'PROCESSING', reason = NULL, stage = 'starting', attempt = q.attempt, error_code = NULL,
        error_message = NULL, version = x.version + 1, started_at = COALESCE(x.started_at, p_now), updated_at = p_now
      WHERE x.id = q.job_id RETURNING x.* INTO j;
    INSERT INTO job_attempts (job_id, attempt, tool, worker_id, started_at)
      VALUES (j.id, q.attempt, j.tool, p_worker, p_now);
    PERFORM jobs_publish_v1(j, 'job.started', jobs_facts_v1(j), p_now);
    RETURN QUERY SELECT q.lease_token, q.attempt, to_jsonb(j), jobs_inputs_v1(j.input_files);
    RETURN;
  END LOOP;
END $$;

CREATE FUNCTION jobs_next_tenant_v1(p_lane text, p_tools text[], p_skip boolean) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  u uuid;
BEGIN
  IF p_skip THEN
    SELECT t.user_id INTO u FROM tenant_lanes t
     WHERE t.lane = p_lane AND t.ready > 0 AND t.running < t.max_running
       AND EXISTS (SELECT 1 FROM job_queue q WHERE q.user_id = t.user_id AND q.lane = p_lane AND q.state = 0
                     AND q.tool = ANY(p_tools))
     ORDER BY t.vtime LIMIT 1 FOR NO KEY UPDATE OF t SKIP LOCKED;
  ELSE
    SELECT t.user_id INTO u FROM tenant_lanes t
     WHERE t.lane = p_lane AND t.ready > 0 AND t.running < t.max_running
       AND EXISTS (SELECT 1 FROM job_queue q WHERE q.user_id = t.user_id AND q.lane = p_lane AND q.state = 0
                     AND q.tool = ANY(p_tools))
     ORDER BY t.vtime LIMIT 1 FOR NO KEY UPDATE OF t;
  END IF;
  RETURN u;
END $$;

CREATE FUNCTION jobs_inputs_v1(p_ids jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT COALESCE(jsonb_agg(jsonb_build_object('id', f.id, 'key', f.key, 'media', f.media) ORDER BY i.position), '[]')
    FROM jsonb_array_elements_text(p_ids) WITH ORDINALITY AS i (id, position) JOIN files f ON f.id = i.id::uuid
   WHERE f.status = 'READY'
$$;

-- Keep a lease alive and report progress: 'ok', 'cancel' (stop the work and settle), or 'lost' (stop and say nothing).
CREATE FUNCTION jobs_heartbeat_v1(
  p_job uuid, p_token uuid, p_lease double precision, p_progress int, p_stage text, p_now timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_cancel timestamptz;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  UPDATE job_queue SET lease_until = clock_timestamp() + p_lease * interval '1 second'
    WHERE job_id = p_job AND lease_token = p_token AND state = 1;
  IF NOT FOUND THEN RETURN 'lost'; END IF;
  UPDATE jobs SET progress = GREATEST(progress, LEAST(p_progress, 99)), stage = p_stage, version = version + 1, updated_at = p_now
    WHERE id = p_job AND status = 'PROCESSING'
      AND (progress < LEAST(p_progress, 99) OR stage IS DISTINCT FROM p_stage);
  SELECT cancel_requested_at INTO v_cancel FROM jobs WHERE id = p_job;
  RETURN CASE WHEN v_cancel IS NULL THEN 'ok' ELSE 'cancel' END;
END $$;
