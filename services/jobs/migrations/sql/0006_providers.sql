-- Which engine was asked for: 'auto', 'local', or a provider's name. NULL is 'auto', for jobs from before.
ALTER TABLE jobs ADD COLUMN engine text;

-- What a provider has been asked to do for a job. Written before the provider is asked: whoever finds a row without a
-- remote_id knows that somebody asked and did not live to hear the answer.
CREATE TABLE job_checkpoints (
  job_id uuid CONSTRAINT job_checkpoints_pkey PRIMARY KEY
    CONSTRAINT job_checkpoints_job_id_fkey REFERENCES jobs (id) ON DELETE CASCADE,
  provider text NOT NULL, remote_id text, saved_at timestamptz NOT NULL
);
