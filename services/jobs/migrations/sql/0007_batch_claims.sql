-- Take up to p_most of a lane's next jobs in one round trip and one commit, each one by the same rule: the least served
-- tenant that may run, then that tenant's most urgent job. Tenants that others hold are skipped. Only while nothing is
-- taken yet is one of them waited for, so that a lone busy tenant never looks like an empty queue, and nobody who holds
-- a tenant waits for another in a circle. Fewer than p_most are therefore no sign of an empty queue; none are.
CREATE FUNCTION jobs_claim_v2(
  p_lane text, p_tools text[], p_worker text, p_lease double precision, p_most int, p_now timestamptz
) RETURNS TABLE (token uuid, attempt int, job jsonb, inputs jsonb) LANGUAGE plpgsql AS $$
DECLARE
  u uuid; q job_queue; j jobs; v_taken int := 0; v_missed boolean := false;
BEGIN
  -- A claim that a crash of the database forgets is a lease that never was: the job is simply claimed again.
  PERFORM set_config('synchronous_commit', 'off', true);
  IF EXISTS (SELECT 1 FROM lanes l WHERE l.lane = p_lane AND l.paused_at IS NOT NULL) THEN RETURN; END IF;
  WHILE v_taken < p_most LOOP
    u := jobs_next_tenant_v1(p_lane, p_tools, true);
    IF u IS NULL AND v_taken = 0 THEN u := jobs_next_tenant_v1(p_lane, p_tools, false); END IF;
    EXIT WHEN u IS NULL;
    UPDATE job_queue x SET state = 1, attempt = x.attempt + 1, lease_token = gen_random_uuid(),
        lease_until = clock_timestamp() + p_lease * interval '1 second', worker_id = p_worker
      WHERE x.job_id = (SELECT y.job_id FROM job_queue y
                         WHERE y.user_id = u AND y.lane = p_lane AND y.state = 0 AND y.tool = ANY(p_tools)
                         ORDER BY y.priority DESC, y.run_at, y.seq LIMIT 1 FOR UPDATE SKIP LOCKED)
      RETURNING x.* INTO q;
    IF q.job_id IS NULL THEN
      -- Somebody was quicker; looking once more sees what they left.
      EXIT WHEN v_missed;
      v_missed := true;
      CONTINUE;
    END IF;
    UPDATE tenant_lanes t SET running = t.running + 1, ready = t.ready - 1, vtime = t.vtime + q.est_cost / t.weight
      WHERE t.user_id = u AND t.lane = p_lane;
    UPDATE jobs x SET status = 'PROCESSING', reason = NULL, stage = 'starting', attempt = q.attempt, error_code = NULL,
        error_message = NULL, version = x.version + 1, started_at = COALESCE(x.started_at, p_now), updated_at = p_now
      WHERE x.id = q.job_id RETURNING x.* INTO j;
    INSERT INTO job_attempts (job_id, attempt, tool, worker_id, started_at)
      VALUES (j.id, q.attempt, j.tool, p_worker, p_now);
    PERFORM jobs_publish_v1(j, 'job.started', jobs_facts_v1(j), p_now);
    v_taken := v_taken + 1;
    RETURN QUERY SELECT q.lease_token, q.attempt, to_jsonb(j), jobs_inputs_v1(j.input_files);
  END LOOP;
END $$;

-- For runners of the version before, while it is being replaced.
CREATE OR REPLACE FUNCTION jobs_claim_v1(
  p_lane text, p_tools text[], p_worker text, p_lease double precision, p_now timestamptz
) RETURNS TABLE (token uuid, attempt int, job jsonb, inputs jsonb) LANGUAGE sql AS $$
  SELECT * FROM jobs_claim_v2(p_lane, p_tools, p_worker, p_lease, 1, p_now)
$$;
