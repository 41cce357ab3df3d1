ALTER TABLE chat_sessions ADD COLUMN agent_id uuid;
COMMENT ON COLUMN chat_sessions.agent_id IS 'who of the staff has taken over; null unless mode is HUMAN';
ALTER TABLE chat_sessions ADD CONSTRAINT chat_sessions_agent_is_human_check CHECK ((mode = 'HUMAN') = (agent_id IS NOT NULL));
CREATE INDEX chat_sessions_mode_idx ON chat_sessions (mode, last_activity_at, id) WHERE mode <> 'BOT';
ALTER TABLE chat_messages ADD COLUMN author_id uuid;
COMMENT ON COLUMN chat_messages.author_id IS 'who of the staff wrote this; null for the assistant';

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
  IF p_user IS NOT NULL AND NOT usage_hold_v1(p_user, p_limit, p_start, p_end) THEN RETURN 'quota'; END IF;
  IF v_open IS NOT NULL THEN
    PERFORM chat_finish_v1(v_open, NULL, 'STOPPED', 'interrupted', NULL, NULL, NULL, NULL, NULL, p_now);
  END IF;
  RETURN 'ok';
END $$;

-- A question and its empty answer, the question alone when a person answers, or why not. The same client_message_id
-- finds the same pair again.
CREATE OR REPLACE FUNCTION chat_ask_v1(
  p_session uuid, p_user uuid, p_token bytea, p_question uuid, p_answer uuid, p_client text, p_content text,
  p_interrupt boolean, p_most bigint, p_limit bigint, p_start timestamptz, p_end timestamptz,
  p_lease uuid, p_seconds double precision, p_now timestamptz
) RETURNS TABLE (outcome text, question uuid, answer uuid) LANGUAGE plpgsql AS $$
DECLARE
  s chat_sessions; m chat_messages;
  v_said int;
BEGIN
  SELECT * INTO s FROM chat_sessions WHERE id = p_session
    AND (user_id = p_user OR (user_id IS NULL AND session_token = p_token)) FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN QUERY SELECT 'absent', NULL::uuid, NULL::uuid; RETURN; END IF;
  SELECT * INTO m FROM chat_messages WHERE chat_session_id = s.id AND client_message_id = p_client;
  IF FOUND THEN
    RETURN QUERY SELECT CASE WHEN m.content = p_content THEN 'repeated' ELSE 'reused' END, m.id,
      (SELECT id FROM chat_messages WHERE reply_to = m.id ORDER BY seq DESC LIMIT 1);
    RETURN;
  END IF;
  outcome := chat_admit_v1(s, s.user_id, p_interrupt, p_most, p_limit, p_start, p_end, p_now);
  question := p_question;
  answer := CASE outcome WHEN 'human' THEN NULL ELSE p_answer END;
  IF outcome IN ('ok', 'human') THEN
    v_said := CASE outcome WHEN 'ok' THEN 2 ELSE 1 END;
    UPDATE chat_sessions SET last_seq = last_seq + v_said, message_count = message_count + v_said,
      last_activity_at = p_now, title = coalesce(title, left(regexp_replace(p_content, '\s+', ' ', 'g'), 80))
      WHERE id = s.id;
    INSERT INTO chat_messages (id, chat_session_id, seq, role, client_message_id, content, status, created_at, completed_at)
      VALUES (p_question, s.id, s.last_seq + 1, 'USER', p_client, p_content, 'COMPLETE', p_now, p_now);
  END IF;
  IF outcome = 'ok' THEN
    INSERT INTO chat_messages (id, chat_session_id, seq, role, content, status, reply_to, lease_token, lease_until,
        payer_id, period_start, period_end, created_at)
      VALUES (p_answer, s.id, s.last_seq + 2, 'ASSISTANT', '', 'STREAMING', p_question, p_lease,
        clock_timestamp() + make_interval(secs => p_seconds), s.user_id, p_start, p_end, p_now);
  END IF;
  RETURN NEXT;
END $$;
