-- Every way out of the queue. The caller of jobs_end_v1 has locked the tenant and removed the queue row.

CREATE FUNCTION jobs_end_v1(
  p_job uuid, p_outcome text, p_code text, p_message text, p_by text, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  j jobs;
BEGIN
  UPDATE jobs SET status = p_outcome, reason = NULL, stage = NULL, error_code = p_code, error_message = p_message,
      cancelled_by = p_by, units_used = '{}', completed_at = p_now, updated_at = p_now, version = version + 1
    WHERE id = p_job RETURNING * INTO j;
  PERFORM usage_settle_v1(j, '{}', p_now);
  PERFORM jobs_publish_v1(j, 'job.' || lower(p_outcome), jsonb_build_object('units_released', j.units_held)
    || CASE WHEN p_outcome = 'FAILED' THEN jsonb_build_object('error_code', p_code)
            ELSE jsonb_build_object('by', p_by) END, p_now);
END $$;

-- Put a leased job back. The caller holds the queue row and the tenant; p_delay in seconds.
CREATE FUNCTION jobs_put_back_v1(
  q job_queue, p_reason text, p_code text, p_message text, p_delay real, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  j jobs;
BEGIN
  UPDATE job_queue SET lease_token = NULL, lease_until = NULL, worker_id = NULL,
      state = CASE WHEN p_delay > 0 THEN 2 ELSE 0 END, run_at = p_now + p_delay * interval '1 second'
    WHERE job_id = q.job_id;
  IF p_delay <= 0 THEN UPDATE tenant_lanes SET ready = ready + 1 WHERE user_id = q.user_id AND lane = q.lane; END IF;
  UPDATE jobs SET status = 'PENDING', reason = p_reason, stage = NULL, progress = 0, error_code = p_code,
      error_message = p_message, run_at = p_now + p_delay * interval '1 second', updated_at = p_now, version = version + 1
    WHERE id = q.job_id RETURNING * INTO j;
  PERFORM jobs_publish_v1(j, 'job.retry_scheduled', jobs_facts_v1(j), p_now);
END $$;

-- A runner's only way out of PROCESSING. p_outcome is COMPLETED, FAILED, CANCELLED, RETRY (a failure that may pass),
-- RELEASE (nobody's fault: the runner drains) or CRASHED (the child died). Returns what became of the job, or LOST when the
-- token is no longer the job's: the work must then be thrown away.
-- p_end: {run_seconds, cpu_seconds, max_rss_mb, delay, code, message, detail, units, files, data, url}
CREATE FUNCTION jobs_settle_v1(p_job uuid, p_token uuid, p_outcome text, p_end jsonb, p_now timestamptz)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  q job_queue; r text := p_outcome; v_cancel timestamptz; v_by text;
  v_code text := p_end ->> 'code'; v_message text := p_end ->> 'message'; v_delay real := COALESCE((p_end ->> 'delay')::real, 0);
BEGIN
  SELECT * INTO q FROM job_queue WHERE job_id = p_job AND lease_token = p_token AND state = 1 FOR UPDATE;
  IF NOT FOUND THEN RETURN 'LOST'; END IF;
  PERFORM 1 FROM tenant_lanes WHERE user_id = q.user_id AND lane = q.lane FOR NO KEY UPDATE;
  SELECT cancel_requested_at, cancelled_by INTO v_cancel, v_by FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  IF r IN ('RETRY', 'CRASHED', 'RELEASE') AND v_cancel IS NOT NULL THEN
    r := 'CANCELLED';
  ELSIF (r = 'RETRY' AND q.failures + 1 >= q.max_attempts) OR (r = 'CRASHED' AND q.crashes + 1 >= q.max_crashes) THEN
    r := 'FAILED';
  END IF;
  UPDATE job_attempts SET ended_at = p_now, outcome = p_outcome, error_code = v_code, detail = p_end ->> 'detail',
      run_seconds = (p_end ->> 'run_seconds')::real, cpu_seconds = (p_end ->> 'cpu_seconds')::real,
      max_rss_mb = (p_end ->> 'max_rss_mb')::int
    WHERE job_id = p_job AND attempt = q.attempt;
  UPDATE tenant_lanes SET running = running - 1,
      vtime = vtime + (COALESCE((p_end ->> 'run_seconds')::real, 0) - q.est_cost) / weight
    WHERE user_id = q.user_id AND lane = q.lane;
  IF r IN ('RETRY', 'CRASHED', 'RELEASE') THEN
    UPDATE job_queue SET failures = failures + (r = 'RETRY')::int, crashes = crashes + (r = 'CRASHED')::int
      WHERE job_id = p_job RETURNING * INTO q;
    PERFORM jobs_put_back_v1(q, CASE r WHEN 'RELEASE' THEN 'released' ELSE 'retrying' END, v_code, v_message, v_delay, p_now);
    RETURN r;
  END IF;
  DELETE FROM job_queue WHERE job_id = p_job;
  IF r = 'COMPLETED' THEN
    PERFORM jobs_complete_v1(p_job, p_end, p_now);
  ELSIF r = 'CANCELLED' THEN
    PERFORM jobs_end_v1(p_job, r, NULL, NULL, COALESCE(v_by, 'system'), p_now);
  ELSE
    PERFORM jobs_end_v1(p_job, r, COALESCE(v_code, 'INTERNAL'), v_message, NULL, p_now);
  END IF;
  RETURN r;
END $$;

CREATE FUNCTION jobs_complete_v1(p_job uuid, p_end jsonb, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  j jobs; v_files jsonb := COALESCE(p_end -> 'files', '[]'); v_run real := COALESCE((p_end ->> 'run_seconds')::real, 0);
BEGIN
  UPDATE jobs SET status = 'COMPLETED', reason = NULL, stage = NULL, progress = 100, error_code = NULL, error_message = NULL,
      result_url = p_end ->> 'url', result_files = v_files, result_data = p_end -> 'data',
      units_used = COALESCE(p_end -> 'units', '{}'), completed_at = p_now, updated_at = p_now, version = version + 1,
      expires_at = p_now + retention_days * interval '1 day'
    WHERE id = p_job RETURNING * INTO j;
  INSERT INTO files (id, user_id, key, purpose, status, job_id, filename, content_type, size, sha256, media, created_at, expires_at)
    SELECT (f ->> 'id')::uuid, j.user_id, f ->> 'key', 'result', 'READY', j.id, f ->> 'name', f ->> 'content_type',
           (f ->> 'bytes')::bigint, f ->> 'sha256',
           jsonb_strip_nulls(jsonb_build_object('kind', f -> 'kind', 'width', f -> 'width', 'height', f -> 'height',
                                                'duration', f -> 'duration')), p_now, j.expires_at
      FROM jsonb_array_elements(v_files) AS f;
  PERFORM usage_settle_v1(j, j.units_used, p_now);
  PERFORM jobs_publish_v1(j, 'job.completed', jsonb_build_object(
    'files', (SELECT COALESCE(jsonb_agg(jsonb_build_object('name', f -> 'name', 'kind', f -> 'kind', 'bytes', f -> 'bytes',
                'duration', (round((f ->> 'duration')::numeric * 1000))::bigint) ORDER BY n), '[]')
                FROM jsonb_array_elements(v_files) WITH ORDINALITY AS x (f, n)),
    'units', j.units_used, 'run_ms', round(v_run * 1000)::bigint,
    'queued_ms', GREATEST(0, round(extract(epoch FROM j.started_at - j.created_at) * 1000)::bigint),
    'engine', j.provider || '/' || j.engine_version, 'expires_at', jobs_time_v1(j.expires_at)), p_now);
END $$;

-- Call a job off. 'CANCELLED' when it had not started, 'PROCESSING' when its runner has to stop it first, else the status it
-- has ended with. The tenant comes first and a leased queue row is never locked, so this meets no settle in a circle.
CREATE FUNCTION jobs_cancel_v1(p_job uuid, p_by text, p_now timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  q record; v_state smallint;
BEGIN
  SELECT user_id, lane INTO q FROM job_queue WHERE job_id = p_job;
  IF NOT FOUND THEN RETURN (SELECT status FROM jobs WHERE id = p_job); END IF;
  PERFORM 1 FROM tenant_lanes WHERE user_id = q.user_id AND lane = q.lane FOR NO KEY UPDATE;
  DELETE FROM job_queue WHERE job_id = p_job AND state <> 1 RETURNING state INTO v_state;
  IF FOUND THEN
    UPDATE tenant_lanes SET ready = ready - (v_state = 0)::int WHERE user_id = q.user_id AND lane = q.lane;
    PERFORM jobs_end_v1(p_job, 'CANCELLED', NULL, NULL, p_by, p_now);
    RETURN 'CANCELLED';
  END IF;
  UPDATE jobs SET cancel_requested_at = p_now, cancelled_by = p_by, reason = 'cancelling', version = version + 1, updated_at = p_now
    WHERE id = p_job AND status = 'PROCESSING' AND cancel_requested_at IS NULL;
  RETURN (SELECT status FROM jobs WHERE id = p_job);
END $$;

-- Take one job back whose lease has run out, or whose runner (p_worker) is known to be dead; its id, or NULL.
-- One per call: a transaction that held two tenants could wait for another in a circle.
CREATE FUNCTION jobs_reap_v1(p_worker text, p_now timestamptz) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  q job_queue; v_cancel timestamptz; v_by text;
BEGIN
  IF p_worker IS NULL THEN
    SELECT * INTO q FROM job_queue WHERE state = 1 AND lease_until < clock_timestamp()
      ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED;
  ELSE
    SELECT * INTO q FROM job_queue WHERE state = 1 AND worker_id = p_worker LIMIT 1 FOR UPDATE SKIP LOCKED;
  END IF;
  IF NOT FOUND THEN RETURN NULL; END IF;
  PERFORM 1 FROM tenant_lanes WHERE user_id = q.user_id AND lane = q.lane FOR NO KEY UPDATE;
  SELECT cancel_requested_at, cancelled_by INTO v_cancel, v_by FROM jobs WHERE id = q.job_id FOR NO KEY UPDATE;
  UPDATE job_attempts SET ended_at = p_now, outcome = 'LOST', error_code = 'WORKER_LOST'
    WHERE job_id = q.job_id AND attempt = q.attempt;
  UPDATE tenant_lanes SET running = running - 1 WHERE user_id = q.user_id AND lane = q.lane;
  IF v_cancel IS NULL AND q.losses + 1 < q.max_losses THEN
    UPDATE job_queue SET losses = losses + 1 WHERE job_id = q.job_id;
    PERFORM jobs_put_back_v1(q, 'retrying', 'WORKER_LOST', 'The machine that worked on this was lost.', 0, p_now);
    RETURN q.job_id;
  END IF;
  DELETE FROM job_queue WHERE job_id = q.job_id;
  IF v_cancel IS NOT NULL THEN
    PERFORM jobs_end_v1(q.job_id, 'CANCELLED', NULL, NULL, COALESCE(v_by, 'system'), p_now);
  ELSE
    PERFORM jobs_end_v1(q.job_id, 'FAILED', 'WORKER_LOST', 'The machines that worked on this were lost again and again.', NULL, p_now);
  END IF;
  RETURN q.job_id;
END $$;

-- Drop one job that was to start by a deadline and did not; its id, or NULL.
CREATE FUNCTION jobs_miss_deadline_v1(p_now timestamptz) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  q record; v_state smallint;
BEGIN
  SELECT d.job_id, d.user_id, d.lane INTO q FROM jobs j JOIN job_queue d ON d.job_id = j.id
    WHERE j.status = 'PENDING' AND j.started_at IS NULL AND j.start_deadline < p_now ORDER BY j.start_deadline LIMIT 1;
  IF NOT FOUND THEN RETURN NULL; END IF;
  PERFORM 1 FROM tenant_lanes WHERE user_id = q.user_id AND lane = q.lane FOR NO KEY UPDATE;
  DELETE FROM job_queue WHERE job_id = q.job_id AND state <> 1 RETURNING state INTO v_state;
  IF FOUND THEN
    UPDATE tenant_lanes SET ready = ready - (v_state = 0)::int WHERE user_id = q.user_id AND lane = q.lane;
    PERFORM jobs_end_v1(q.job_id, 'FAILED', 'DEADLINE_BEFORE_START', 'The job could not be started in time.', NULL, p_now);
  END IF;
  RETURN q.job_id;
END $$;
