-- Where a user wants to be told. With job_id or batch_id it is for that one alone.
-- Secrets are derived from secret_id and the platform's signing secret, so that a copy of this table can sign nothing.
CREATE TABLE webhook_endpoints (
  id uuid CONSTRAINT webhook_endpoints_pkey PRIMARY KEY,
  user_id uuid NOT NULL, job_id uuid, batch_id uuid, url text NOT NULL, events jsonb NOT NULL,
  secret_id uuid NOT NULL, previous_secret_id uuid, previous_until timestamptz,
  created_at timestamptz NOT NULL, disabled_at timestamptz, disabled_reason text
);
CREATE INDEX webhook_endpoints_user_id_idx ON webhook_endpoints (user_id, created_at);

-- One message to one endpoint, and the log of its tries. No foreign key: a settlement must never wait for, or fail on,
-- an endpoint that is being removed.
CREATE TABLE webhook_deliveries (
  id uuid CONSTRAINT webhook_deliveries_pkey PRIMARY KEY,
  endpoint_id uuid NOT NULL, event text NOT NULL, job_id uuid, batch_id uuid,
  status text NOT NULL DEFAULT 'PENDING', attempts int NOT NULL DEFAULT 0, next_try_at timestamptz NOT NULL,
  tries jsonb NOT NULL DEFAULT '[]', created_at timestamptz NOT NULL, delivered_at timestamptz,
  CONSTRAINT webhook_deliveries_status_check CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED'))
) WITH (fillfactor=80);
CREATE INDEX webhook_deliveries_next_try_at_idx ON webhook_deliveries (next_try_at) WHERE status = 'PENDING';
CREATE INDEX webhook_deliveries_endpoint_id_created_at_idx ON webhook_deliveries (endpoint_id, created_at, id);

-- Every ending writes its messages in its own transaction: none is lost, none is sent for what did not happen.
CREATE FUNCTION webhooks_tell_v1(p_user uuid, p_event text, p_job uuid, p_batch uuid, p_now timestamptz)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO webhook_deliveries (id, endpoint_id, event, job_id, batch_id, next_try_at, created_at)
    SELECT atelier_uuid7(), e.id, p_event, p_job, p_batch, p_now, p_now FROM webhook_endpoints e
     WHERE e.user_id = p_user AND e.disabled_at IS NULL AND e.events ? p_event
       AND (e.job_id IS NULL OR e.job_id = p_job) AND (e.batch_id IS NULL OR e.batch_id = p_batch)
$$;

CREATE FUNCTION jobs_tell_webhooks_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM webhooks_tell_v1(NEW.user_id, 'job.' || lower(NEW.status), NEW.id, NULL, NEW.completed_at);
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_tell_webhooks AFTER UPDATE OF status ON jobs FOR EACH ROW
  WHEN (OLD.status IN ('PENDING', 'PROCESSING') AND NEW.status IN ('COMPLETED', 'FAILED', 'CANCELLED'))
  EXECUTE FUNCTION jobs_tell_webhooks_v1();

CREATE FUNCTION job_batches_tell_webhooks_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM webhooks_tell_v1(NEW.user_id, 'batch.completed', NULL, NEW.id, NEW.completed_at);
  RETURN NULL;
END $$;
CREATE TRIGGER job_batches_tell_webhooks AFTER UPDATE OF completed_at ON job_batches FOR EACH ROW
  WHEN (OLD.completed_at IS NULL AND NEW.completed_at IS NOT NULL)
  EXECUTE FUNCTION job_batches_tell_webhooks_v1();
