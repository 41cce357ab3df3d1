-- Times as pydantic writes them, so that both ways into the outbox give the same text.
CREATE FUNCTION jobs_time_v1(p_time timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Hold units before work is accepted: the first metric that has too little left, or NULL when all are held.
-- The rows are locked in the order of their metric, here and in usage_settle_v1, so that no two holds wait in a circle.
CREATE FUNCTION usage_hold_v1(
  p_user uuid, p_units jsonb, p_limits jsonb, p_start timestamptz, p_end timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_short text;
BEGIN
  INSERT INTO usage_counters (user_id, metric, period_start, period_end, lim)
    SELECT p_user, key, p_start, p_end, 0 FROM jsonb_each(p_units) ORDER BY key
    ON CONFLICT (user_id, metric, period_start) DO NOTHING;
  PERFORM 1 FROM usage_counters
    WHERE user_id = p_user AND period_start = p_start AND p_units ? metric ORDER BY metric FOR NO KEY UPDATE;
  SELECT metric INTO v_short FROM usage_counters
    WHERE user_id = p_user AND period_start = p_start AND p_units ? metric
      AND used + reserved + (p_units ->> metric)::bigint > COALESCE((p_limits ->> metric)::bigint, 0)
    ORDER BY metric LIMIT 1;
  IF FOUND THEN RETURN v_short; END IF;
  UPDATE usage_counters
    SET reserved = reserved + (p_units ->> metric)::bigint, lim = (p_limits ->> metric)::bigint, period_end = p_end
    WHERE user_id = p_user AND period_start = p_start AND p_units ? metric;
  RETURN NULL;
END $$;

-- Give back what the job held and count what it used, in the period in which it was accepted.
CREATE FUNCTION usage_settle_v1(p_job jobs, p_used jsonb, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  c usage_counters;
  v_held bigint; v_used bigint; v_percent int; v_notices int; v_id uuid;
BEGIN
  INSERT INTO usage_counters (user_id, metric, period_start, period_end, lim)
    SELECT p_job.user_id, key, p_job.period_start, p_job.period_end, 0 FROM jsonb_each(p_used) ORDER BY key
    ON CONFLICT (user_id, metric, period_start) DO NOTHING;
  FOR c IN SELECT * FROM usage_counters
            WHERE user_id = p_job.user_id AND period_start = p_job.period_start
              AND (p_job.units_held ? metric OR p_used ? metric)
            ORDER BY metric FOR NO KEY UPDATE LOOP
    v_held := COALESCE((p_job.units_held ->> c.metric)::bigint, 0);
    v_used := COALESCE((p_used ->> c.metric)::bigint, 0);
    v_notices := c.notices;
    IF v_used > 0 THEN
      v_id := atelier_uuid7();
      PERFORM outbox_add('usage.recorded', 'usage/' || v_id, 1, jsonb_build_object(
        'usage_id', v_id, 'user_id', p_job.user_id, 'metric', c.metric, 'quantity', v_used,
        'occurred_at', jobs_time_v1(p_now), 'period_start', jobs_time_v1(c.period_start),
        'period_end', jobs_time_v1(c.period_end), 'ref_type', 'job', 'ref_id', p_job.id), '/services/jobs', 1, p_now);
      FOREACH v_percent IN ARRAY ARRAY[80, 100] LOOP
        IF c.used * 100 < v_percent * c.lim AND (c.used + v_used) * 100 >= v_percent * c.lim THEN
          v_notices := v_notices + 1;
          PERFORM outbox_add('usage.threshold_reached', 'threshold/' || p_job.user_id || '-' || c.metric,
            extract(epoch FROM c.period_start)::bigint * 1000 + v_notices, jsonb_build_object(
            'user_id', p_job.user_id, 'metric', c.metric, 'percent', v_percent, 'used', c.used + v_used,
            'limit', c.lim, 'period_end', jobs_time_v1(c.period_end)), '/services/jobs', 1, p_now);
        END IF;
      END LOOP;
    END IF;
    UPDATE usage_counters SET used = used + v_used, reserved = reserved - v_held, notices = v_notices
      WHERE user_id = c.user_id AND metric = c.metric AND period_start = c.period_start;
  END LOOP;
END $$;
