-- Hold one message before an answer begins; false when neither the plan nor a grant has one left.
CREATE FUNCTION usage_hold_v2(
  p_user uuid, p_limit bigint, p_start timestamptz, p_end timestamptz, p_now timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  c usage_counters;
BEGIN
  INSERT INTO usage_counters (user_id, metric, period_start, period_end, lim)
    VALUES (p_user, 'chat_messages', p_start, p_end, 0) ON CONFLICT (user_id, metric, period_start) DO NOTHING;
  SELECT * INTO c FROM usage_counters
    WHERE user_id = p_user AND metric = 'chat_messages' AND period_start = p_start FOR NO KEY UPDATE;
  IF NOT usage_fits_v1(c, 1, p_limit, p_now) THEN RETURN false; END IF;
  PERFORM usage_take_v1(c, 1, p_limit, p_end, p_now);
  RETURN true;
END $$;

-- Give the hold of an answer back and count what it used, in the period in which it was asked for.
CREATE OR REPLACE FUNCTION usage_settle_v1(p_answer chat_messages, p_used bigint, p_now timestamptz) RETURNS void
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
  PERFORM usage_book_v1(c, 1, p_used, p_now);
END $$;

-- Make room for an answer in a session that the caller has locked: 'ok', or why there is none. While a person has the
-- conversation, or is asked for, the assistant is silent, and what is said to people costs no quota.
CREATE OR REPLACE FUNCTION chat_admit_v1(
  s chat_sessions, p_user uuid, p_interrupt boolean, p_most bigint,
  p_limit bigint, p_start timestamptz, p_end timestamptz, p_now timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_open uuid;
BEGIN
  IF NOT s.is_active THEN RETURN 'ended'; END IF;
  IF s.message_count >= p_most THEN RETURN 'full'; END IF;
  IF s.mode <> 'BOT' THEN RETURN 'human'; END IF;
  SELECT id INTO v_open FROM chat_messages WHERE chat_session_id = s.id AND status = 'STREAMING';
  IF FOUND AND NOT p_interrupt THEN RETURN 'busy'; END IF;
  -- The hold comes first: a question that is refused must not cost the answer that is being read.
  IF p_user IS NOT NULL AND NOT usage_hold_v2(p_user, p_limit, p_start, p_end, p_now) THEN RETURN 'quota'; END IF;
  IF v_open IS NOT NULL THEN
    PERFORM chat_finish_v1(v_open, NULL, 'STOPPED', 'interrupted', NULL, NULL, NULL, NULL, NULL, p_now);
  END IF;
  RETURN 'ok';
END $$;
