-- Locks are taken in one order everywhere: session, message, usage.

-- End an answer that is still being written. The text is the log's, so that readers and the row agree to the letter;
-- only a log lost in a crash gives way to the author's copy. False when the answer had ended or the lease is another's.
CREATE FUNCTION chat_finish_v1(
  p_message uuid, p_lease uuid, p_status text, p_reason text, p_error text, p_content text, p_citations jsonb,
  p_provider text, p_model text, p_now timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  s chat_sessions; m chat_messages;
  v_text text;
BEGIN
  SELECT t.* INTO s FROM chat_sessions t JOIN chat_messages a ON a.chat_session_id = t.id
    WHERE a.id = p_message FOR NO KEY UPDATE OF t;
  SELECT * INTO m FROM chat_messages WHERE id = p_message AND status = 'STREAMING'
    AND (p_lease IS NULL OR lease_token = p_lease) FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  SELECT coalesce(string_agg(delta, '' ORDER BY n), '') INTO v_text FROM chat_stream_chunks WHERE message_id = m.id;
  UPDATE chat_messages
    SET status = p_status, finish_reason = p_reason, error_code = p_error, content = coalesce(p_content, v_text),
        citations = coalesce(p_citations, citations), provider = p_provider, model = p_model,
        lease_token = NULL, lease_until = NULL, completed_at = p_now
    WHERE id = m.id;
  UPDATE chat_sessions SET version = version + 1, last_activity_at = greatest(last_activity_at, p_now)
    WHERE id = s.id RETURNING * INTO s;
  IF p_status = 'COMPLETE' THEN
    PERFORM outbox_add('chat.message_completed', 'chat_session/' || s.id, s.version, jsonb_build_object(
      'session_id', s.id, 'user_id', s.user_id, 'message_id', m.id, 'provider', p_provider, 'model', p_model,
      'answered', p_reason = 'answered', 'citations', jsonb_array_length(coalesce(p_citations, '[]'))),
      '/services/chat', 1, p_now);
  END IF;
  IF m.payer_id IS NOT NULL THEN
    PERFORM usage_settle_v1(m, CASE WHEN p_status = 'FAILED' THEN 0 ELSE 1 END, p_now);
  END IF;
  RETURN true;
END $$;

-- Make room for an answer in a session that the caller has locked: 'ok', or why there is none.
CREATE FUNCTION chat_admit_v1(
  s chat_sessions, p_user uuid, p_interrupt boolean, p_most bigint,
  p_limit bigint, p_start timestamptz, p_end timestamptz, p_now timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_open uuid;
BEGIN
  IF NOT s.is_active THEN RETURN 'ended'; END IF;
  IF s.message_count >= p_most THEN RETURN 'full'; END IF;
  SELECT id INTO v_open FROM chat_messages WHERE chat_session_id = s.id AND status = 'STREAMING';
  IF FOUND AND NOT p_interrupt THEN RETURN 'busy'; END IF;
  -- The hold comes first: a question that is refused must not cost the answer that is being read.
  IF p_user IS NOT NULL AND NOT usage_hold_v1(p_user, p_limit, p_start, p_end) THEN RETURN 'quota'; END IF;
  IF v_open IS NOT NULL THEN
    PERFORM chat_finish_v1(v_open, NULL, 'STOPPED', 'interrupted', NULL, NULL, NULL, NULL, NULL, p_now);
  END IF;
  RETURN 'ok';
END $$;

-- A question and its empty answer, or why not. The same client_message_id finds the same pair again.
CREATE FUNCTION chat_ask_v1(
  p_session uuid, p_user uuid, p_token bytea, p_question uuid, p_answer uuid, p_client text, p_content text,
  p_interrupt boolean, p_most bigint, p_limit bigint, p_start timestamptz, p_end timestamptz,
  p_lease uuid, p_seconds double precision, p_now timestamptz
) RETURNS TABLE (outcome text, question uuid, answer uuid) LANGUAGE plpgsql AS $$
DECLARE
  s chat_sessions; m chat_messages;
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
  IF outcome = 'ok' THEN
    UPDATE chat_sessions SET last_seq = last_seq + 2, message_count = message_count + 2, last_activity_at = p_now,
      title = coalesce(title, left(regexp_replace(p_content, '\s+', ' ', 'g'), 80)) WHERE id = s.id;
    INSERT INTO chat_messages (id, chat_session_id, seq, role, client_message_id, content, status, created_at, completed_at)
      VALUES (p_question, s.id, s.last_seq + 1, 'USER', p_client, p_content, 'COMPLETE', p_now, p_now);
    INSERT INTO chat_messages (id, chat_session_id, seq, role, content, status, reply_to, lease_token, lease_until,
        payer_id, period_start, period_end, created_at)
      VALUES (p_answer, s.id, s.last_seq + 2, 'ASSISTANT', '', 'STREAMING', p_question, p_lease,
        clock_timestamp() + make_interval(secs => p_seconds), s.user_id, p_start, p_end, p_now);
  END IF;
  question := p_question; answer := p_answer;
  RETURN NEXT;
END $$;

-- Another answer to the question of an answer that has ended.
CREATE FUNCTION chat_regenerate_v1(
  p_session uuid, p_user uuid, p_token bytea, p_question uuid, p_answer uuid, p_most bigint,
  p_limit bigint, p_start timestamptz, p_end timestamptz, p_lease uuid, p_seconds double precision, p_now timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  s chat_sessions;
  v_outcome text;
BEGIN
  SELECT * INTO s FROM chat_sessions WHERE id = p_session
    AND (user_id = p_user OR (user_id IS NULL AND session_token = p_token)) FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN 'absent'; END IF;
  v_outcome := chat_admit_v1(s, s.user_id, false, p_most, p_limit, p_start, p_end, p_now);
  IF v_outcome <> 'ok' THEN RETURN v_outcome; END IF;
  UPDATE chat_sessions SET last_seq = last_seq + 1, message_count = message_count + 1, last_activity_at = p_now
    WHERE id = s.id;
  INSERT INTO chat_messages (id, chat_session_id, seq, role, content, status, reply_to, lease_token, lease_until,
      payer_id, period_start, period_end, created_at)
    VALUES (p_answer, s.id, s.last_seq + 1, 'ASSISTANT', '', 'STREAMING', p_question, p_lease,
      clock_timestamp() + make_interval(secs => p_seconds), s.user_id, p_start, p_end, p_now);
  RETURN 'ok';
END $$;
