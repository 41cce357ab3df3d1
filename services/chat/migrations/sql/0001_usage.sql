-- Times as pydantic writes them, so that both ways into the outbox give the same text.
CREATE FUNCTION chat_time_v1(p_time timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Hold one message before an answer begins; false when the period has none left. One upsert: exact under concurrency.
CREATE FUNCTION usage_hold_v1(
  p_user uuid, p_limit bigint, p_start timestamptz, p_end timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF p_limit < 1 THEN RETURN false; END IF;
  INSERT INTO usage_counters AS c (user_id, metric, period_start, period_end, reserved, lim)
    VALUES (p_user, 'chat_messages', p_start, p_end, 1, p_limit)
    ON CONFLICT (user_id, metric, period_start) DO UPDATE
      SET reserved = c.reserved + 1, lim = p_limit, period_end = p_end
      WHERE c.used + c.reserved < p_limit;
  RETURN FOUND;
END $$;

-- Give the hold of an answer back and count what it used, in the period in which it was asked for.
CREATE FUNCTION usage_settle_v1(p_answer chat_messages, p_used bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  c usage_counters;
  v_percent int; v_id uuid;
BEGIN
  SELECT * INTO c FROM usage_counters WHERE user_id = p_answer.payer_id AND metric = 'chat_messages'
    AND period_start = p_answer.period_start FOR NO KEY UPDATE;
  IF p_used > 0 THEN
    v_id := atelier_uuid7();
    PERFORM outbox_add('usage.recorded', 'usage/' || v_id, 1, jsonb_build_object(
      'usage_id', v_id, 'user_id', c.user_id, 'metric', c.metric, 'quantity', p_used,
      'occurred_at', chat_time_v1(p_now), 'period_start', chat_time_v1(c.period_start),
      'period_end', chat_time_v1(c.period_end), 'ref_type', 'chat_message', 'ref_id', p_answer.id),
      '/services/chat', 1, p_now);
    FOREACH v_percent IN ARRAY ARRAY[80, 100] LOOP
      IF c.used * 100 < v_percent * c.lim AND (c.used + p_used) * 100 >= v_percent * c.lim THEN
        c.notices := c.notices + 1;
        PERFORM outbox_add('usage.threshold_reached', 'threshold/' || c.user_id || '-' || c.metric,
          extract(epoch FROM c.period_start)::bigint * 1000 + c.notices, jsonb_build_object(
          'user_id', c.user_id, 'metric', c.metric, 'percent', v_percent, 'used', c.used + p_used,
          'limit', c.lim, 'period_end', chat_time_v1(c.period_end)), '/services/chat', 1, p_now);
      END IF;
    END LOOP;
  END IF;
  UPDATE usage_counters SET used = used + p_used, reserved = reserved - 1, notices = c.notices
    WHERE user_id = c.user_id AND metric = c.metric AND period_start = c.period_start;
END $$;
