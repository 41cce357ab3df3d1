-- `pending` counts the jobs that have not ended; `version` is the sequence of the batch's events.
CREATE TABLE job_batches (
  id uuid CONSTRAINT job_batches_pkey PRIMARY KEY,
  user_id uuid NOT NULL, total int NOT NULL, pending int NOT NULL, version bigint NOT NULL DEFAULT 1,
  metadata jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL, completed_at timestamptz,
  CONSTRAINT job_batches_pending_check CHECK (pending BETWEEN 0 AND total)
);
CREATE INDEX job_batches_user_id_created_at_idx ON job_batches (user_id, created_at);
CREATE INDEX jobs_batch_id_idx ON jobs (batch_id, created_at, id) WHERE batch_id IS NOT NULL;

-- A job of a batch has ended: the last one ends the batch, in the same transaction. Every ending goes through jobs.status,
-- so none can be missed. The batch is locked after its job and before the usage counters, by all alike.
CREATE FUNCTION jobs_end_batch_v1() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  b job_batches; v_counts jsonb;
BEGIN
  UPDATE job_batches SET pending = pending - 1, version = version + 1,
      completed_at = CASE WHEN pending = 1 THEN NEW.completed_at END
    WHERE id = NEW.batch_id RETURNING * INTO b;
  IF b.pending = 0 THEN
    SELECT jsonb_object_agg(status, n) INTO v_counts
      FROM (SELECT status, count(*) AS n FROM jobs WHERE batch_id = b.id GROUP BY status) each_status;
    PERFORM outbox_add('batch.completed', 'batch/' || b.id, b.version, jsonb_build_object(
      'batch_id', b.id, 'user_id', b.user_id, 'counts', v_counts), '/services/jobs', 1, NEW.completed_at);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_end_batch AFTER UPDATE OF status ON jobs FOR EACH ROW
  WHEN (NEW.batch_id IS NOT NULL AND OLD.status IN ('PENDING', 'PROCESSING')
        AND NEW.status IN ('COMPLETED', 'FAILED', 'CANCELLED'))
  EXECUTE FUNCTION jobs_end_batch_v1();

-- Lock a user's lanes before anything else, for whoever goes on to touch more than one: each job locks its lane before
-- the usage counters, so a second lane taken after them could be waited for in a circle.
CREATE FUNCTION jobs_lock_lanes_v1(p_user uuid, p_lanes text[], p_weight real, p_max_running int)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  e record;
BEGIN
  SELECT weight, max_running INTO e FROM entitlements WHERE user_id = p_user FOR SHARE;
  INSERT INTO tenant_lanes (user_id, lane, weight, max_running)
    SELECT p_user, lane, COALESCE(e.weight, p_weight), COALESCE(e.max_running, p_max_running)
      FROM unnest(p_lanes) AS lane ORDER BY lane ON CONFLICT (user_id, lane) DO NOTHING;
  PERFORM 1 FROM tenant_lanes WHERE user_id = p_user AND lane = ANY(p_lanes) ORDER BY lane FOR NO KEY UPDATE;
END $$;
