CREATE TABLE entitlements (
  user_id uuid CONSTRAINT entitlements_pkey PRIMARY KEY,
  version bigint NOT NULL, plan_id text NOT NULL, status text NOT NULL,
  limits jsonb NOT NULL, grants jsonb NOT NULL, features jsonb NOT NULL,
  max_running int NOT NULL, weight real NOT NULL CONSTRAINT entitlements_weight_check CHECK (weight > 0),
  period_anchor timestamptz NOT NULL, valid_until timestamptz, disabled_at timestamptz,
  updated_at timestamptz NOT NULL
);
COMMENT ON COLUMN entitlements.version IS '0 until billing has spoken: the free plan by our own defaults';

CREATE TABLE usage_counters (
  user_id uuid NOT NULL, metric text NOT NULL, period_start timestamptz NOT NULL, period_end timestamptz NOT NULL,
  used bigint NOT NULL DEFAULT 0, reserved bigint NOT NULL DEFAULT 0, lim bigint NOT NULL,
  notices int NOT NULL DEFAULT 0,
  CONSTRAINT usage_counters_pkey PRIMARY KEY (user_id, metric, period_start),
  CONSTRAINT usage_counters_never_negative_check CHECK (used >= 0 AND reserved >= 0)
) WITH (fillfactor=70);

CREATE TABLE jobs (
  id uuid CONSTRAINT jobs_pkey PRIMARY KEY,
  user_id uuid NOT NULL, family text NOT NULL, tool text NOT NULL, lane text NOT NULL, prompt text,
  options jsonb NOT NULL DEFAULT '{}', input_files jsonb NOT NULL DEFAULT '[]',
  status text NOT NULL DEFAULT 'PENDING', reason text, stage text, progress smallint NOT NULL DEFAULT 0,
  result_url text, result_files jsonb, result_data jsonb, error_code text, error_message text,
  attempt int NOT NULL DEFAULT 0, max_attempts int NOT NULL DEFAULT 3, version bigint NOT NULL DEFAULT 1,
  provider text NOT NULL, engine_version text NOT NULL, seed bigint NOT NULL,
  units_held jsonb NOT NULL, units_used jsonb,
  period_start timestamptz NOT NULL, period_end timestamptz NOT NULL,
  metadata jsonb NOT NULL DEFAULT '{}', priority smallint NOT NULL DEFAULT 0, retention_days int NOT NULL,
  batch_id uuid, retry_of uuid,
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, run_at timestamptz, start_deadline timestamptz,
  started_at timestamptz, completed_at timestamptz, cancel_requested_at timestamptz, cancelled_by text,
  expires_at timestamptz, expiry_warned_at timestamptz, result_expired_at timestamptz, deleted_at timestamptz,
  CONSTRAINT jobs_family_check CHECK (family IN ('ai', 'studio')),
  CONSTRAINT jobs_status_check CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED')),
  CONSTRAINT jobs_progress_check CHECK (progress BETWEEN 0 AND 100)
) WITH (fillfactor=80);
CREATE INDEX jobs_user_id_created_at_idx ON jobs (user_id, created_at, id);
CREATE INDEX jobs_user_id_family_created_at_idx ON jobs (user_id, family, created_at, id);
CREATE INDEX jobs_user_id_live_idx ON jobs (user_id) WHERE status IN ('PENDING', 'PROCESSING');
CREATE INDEX jobs_status_created_at_idx ON jobs (status, created_at, id);
CREATE INDEX jobs_tool_created_at_idx ON jobs (tool, created_at, id);
CREATE INDEX jobs_expires_at_idx ON jobs (expires_at) WHERE result_url IS NOT NULL AND result_expired_at IS NULL;
CREATE INDEX jobs_start_deadline_idx ON jobs (start_deadline) WHERE status = 'PENDING' AND start_deadline IS NOT NULL;

CREATE TABLE job_queue (
  job_id uuid CONSTRAINT job_queue_pkey PRIMARY KEY
    CONSTRAINT job_queue_job_id_fkey REFERENCES jobs (id) ON DELETE CASCADE,
  user_id uuid NOT NULL, lane text NOT NULL, tool text NOT NULL, priority smallint NOT NULL DEFAULT 0,
  run_at timestamptz NOT NULL, seq bigint GENERATED ALWAYS AS IDENTITY,
  state smallint NOT NULL, attempt int NOT NULL DEFAULT 0,
  failures int NOT NULL DEFAULT 0, max_attempts int NOT NULL DEFAULT 3,
  crashes int NOT NULL DEFAULT 0, max_crashes int NOT NULL DEFAULT 2,
  losses int NOT NULL DEFAULT 0, max_losses int NOT NULL DEFAULT 10,
  est_cost real NOT NULL, lease_token uuid, lease_until timestamptz, worker_id text,
  CONSTRAINT job_queue_lease_is_whole_check CHECK ((state = 1) = (lease_token IS NOT NULL AND lease_until IS NOT NULL))
) WITH (fillfactor=70, autovacuum_vacuum_scale_factor=0.01, autovacuum_vacuum_threshold=500, autovacuum_vacuum_cost_delay=0);
COMMENT ON COLUMN job_queue.state IS '0 ready, 1 leased, 2 waiting for run_at';
COMMENT ON COLUMN job_queue.attempt IS 'claims so far; failures, crashes of the child and losses of the runner are capped apart';
CREATE INDEX job_queue_ready_idx ON job_queue (user_id, lane, priority DESC, run_at, seq) WHERE state = 0;
CREATE INDEX job_queue_lease_until_idx ON job_queue (lease_until) WHERE state = 1;
CREATE INDEX job_queue_worker_id_idx ON job_queue (worker_id) WHERE state = 1;
CREATE INDEX job_queue_run_at_idx ON job_queue (run_at) WHERE state = 2;

CREATE TABLE tenant_lanes (
  user_id uuid NOT NULL, lane text NOT NULL, weight real NOT NULL, max_running int NOT NULL,
  running int NOT NULL DEFAULT 0, ready int NOT NULL DEFAULT 0, vtime double precision NOT NULL DEFAULT 0,
  CONSTRAINT tenant_lanes_pkey PRIMARY KEY (user_id, lane),
  CONSTRAINT tenant_lanes_never_negative_check CHECK (running >= 0 AND ready >= 0)
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.01, autovacuum_vacuum_threshold=200, autovacuum_vacuum_cost_delay=0);
COMMENT ON COLUMN tenant_lanes.vtime IS 'virtual seconds served, divided by weight: the smallest is next';
CREATE INDEX tenant_lanes_runnable_idx ON tenant_lanes (lane, vtime) WHERE ready > 0 AND running < max_running;
CREATE INDEX tenant_lanes_active_idx ON tenant_lanes (lane, vtime) WHERE ready > 0 OR running > 0;
CREATE INDEX tenant_lanes_lane_vtime_idx ON tenant_lanes (lane, vtime);

CREATE TABLE lanes (
  lane text CONSTRAINT lanes_pkey PRIMARY KEY, paused_at timestamptz, paused_by uuid
);
INSERT INTO lanes (lane) VALUES ('interactive'), ('render'), ('remote');

CREATE TABLE job_attempts (
  job_id uuid NOT NULL CONSTRAINT job_attempts_job_id_fkey REFERENCES jobs (id) ON DELETE CASCADE,
  attempt int NOT NULL, tool text NOT NULL, worker_id text NOT NULL,
  started_at timestamptz NOT NULL, ended_at timestamptz, outcome text, error_code text, detail text,
  run_seconds real, cpu_seconds real, max_rss_mb int,
  CONSTRAINT job_attempts_pkey PRIMARY KEY (job_id, attempt)
);
CREATE INDEX job_attempts_tool_ended_at_idx ON job_attempts (tool, ended_at) WHERE outcome = 'COMPLETED';

CREATE TABLE workers (
  id text CONSTRAINT workers_pkey PRIMARY KEY, host text NOT NULL, boot_id text NOT NULL,
  pid int NOT NULL, start_ticks bigint NOT NULL, slots jsonb NOT NULL, tools jsonb NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(), seen_at timestamptz NOT NULL DEFAULT now(), draining_at timestamptz
);
CREATE INDEX workers_seen_at_idx ON workers (seen_at);

CREATE TABLE files (
  id uuid CONSTRAINT files_pkey PRIMARY KEY, user_id uuid NOT NULL, key text NOT NULL CONSTRAINT files_key_key UNIQUE,
  purpose text NOT NULL CONSTRAINT files_purpose_check CHECK (purpose IN ('upload', 'result')),
  status text NOT NULL CONSTRAINT files_status_check CHECK (status IN ('PENDING', 'READY', 'GONE')),
  job_id uuid, filename text NOT NULL, content_type text NOT NULL, size bigint NOT NULL, sha256 text, media jsonb,
  created_at timestamptz NOT NULL, expires_at timestamptz
);
CREATE INDEX files_user_id_created_at_idx ON files (user_id, created_at);
CREATE INDEX files_job_id_idx ON files (job_id);
CREATE INDEX files_pending_idx ON files (created_at) WHERE status = 'PENDING';

CREATE TABLE stream_ends (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT stream_ends_pkey PRIMARY KEY,
  user_id uuid NOT NULL, session_id uuid, ended_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN stream_ends.session_id IS 'NULL ends every stream of the user';
CREATE INDEX stream_ends_user_id_idx ON stream_ends (user_id, id);

CREATE FUNCTION jobs_keep_endings_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status IN ('COMPLETED', 'FAILED', 'CANCELLED') AND NEW.status <> OLD.status THEN
    RAISE EXCEPTION 'job % has ended as % and stays so', OLD.id, OLD.status;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER jobs_keep_endings BEFORE UPDATE OF status ON jobs
  FOR EACH ROW EXECUTE FUNCTION jobs_keep_endings_v1();
