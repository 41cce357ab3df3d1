-- What a runner elsewhere announced to send for a job that it holds. The rows go with the lease.
CREATE TABLE runner_outputs (
  id uuid CONSTRAINT runner_outputs_pkey PRIMARY KEY,
  job_id uuid NOT NULL CONSTRAINT runner_outputs_job_id_fkey REFERENCES jobs (id) ON DELETE CASCADE,
  token uuid NOT NULL, key text NOT NULL CONSTRAINT runner_outputs_key_key UNIQUE,
  name text NOT NULL, content_type text NOT NULL, size bigint NOT NULL, created_at timestamptz NOT NULL
);
CREATE INDEX runner_outputs_job_id_idx ON runner_outputs (job_id);
CREATE INDEX runner_outputs_created_at_idx ON runner_outputs (created_at);

-- Settle, and say who really did the work. The same locks in the same order as jobs_settle_v1, so that neither meets
-- the other in a circle; a token that is no longer the job's changes nothing.
CREATE FUNCTION jobs_settle_as_v1(
  p_job uuid, p_token uuid, p_outcome text, p_end jsonb, p_provider text, p_version text, p_now timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  q record;
BEGIN
  SELECT user_id, lane INTO q FROM job_queue WHERE job_id = p_job AND lease_token = p_token AND state = 1 FOR UPDATE;
  IF NOT FOUND THEN RETURN 'LOST'; END IF;
  PERFORM 1 FROM tenant_lanes WHERE user_id = q.user_id AND lane = q.lane FOR NO KEY UPDATE;
  UPDATE jobs SET provider = p_provider, engine_version = p_version WHERE id = p_job;
  RETURN jobs_settle_v1(p_job, p_token, p_outcome, p_end, p_now);
END $$;
