"""Spending what was granted on top of a plan, for every service that counts use in its own `usage_counters`.

A period's use is paid for by the plan first, then by live grants, the one that expires first before the others. What a
grant paid for stays spent when the next period begins: a plan's limit is new each month, a grant is not. What is held
and not used in the end goes back to the grant that lives longest, so that nobody loses by waiting for a job.

The counter's `drawn` is how much of its use grants pay for; over all periods these add up to `grant_draws.drawn`.
`plan_lim` is what the plan pays for in the period, at least what it has paid for so far: a smaller plan in the middle
of a period takes nothing from grants for what was used before.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, MetaData, Table, Text, Uuid, text


def attach_grant_draws(metadata: MetaData) -> Table:
    """Declare the table of `GRANTS_V1`, so that the models and the migrated database agree."""
    return Table(
        "grant_draws",
        metadata,
        Column("user_id", Uuid, primary_key=True),
        Column("metric", Text, primary_key=True),
        Column("grant_id", Uuid, primary_key=True),
        Column("drawn", BigInteger, nullable=False, server_default=text("0")),
        Column("expires_at", DateTime(timezone=True)),
        CheckConstraint("drawn >= 0", name="never_negative"),
    )


# Expects `entitlements(user_id, limits, grants)` and `usage_counters`. The caller of every function holds the counter's
# row; whoever needs several metrics takes them in the order of their names.
GRANTS_V1 = """
CREATE TABLE grant_draws (
  user_id uuid NOT NULL,
  metric text NOT NULL,
  grant_id uuid NOT NULL,
  drawn bigint DEFAULT 0 NOT NULL,
  expires_at timestamptz,
  CONSTRAINT grant_draws_pkey PRIMARY KEY (user_id, metric, grant_id),
  CONSTRAINT grant_draws_never_negative_check CHECK (drawn >= 0)
);
ALTER TABLE usage_counters
  ADD COLUMN drawn bigint DEFAULT 0 NOT NULL,
  ADD COLUMN plan_lim bigint DEFAULT 0 NOT NULL;
UPDATE usage_counters SET plan_lim = lim;

-- The live grants of a metric: what each still holds, and what those that are used up before it hold.
CREATE FUNCTION usage_grants_v1(p_user uuid, p_metric text, p_now timestamptz)
RETURNS TABLE (grant_id uuid, expires_at timestamptz, room bigint, before bigint) LANGUAGE sql STABLE AS $$
  SELECT l.grant_id, l.expires_at, l.room,
         (sum(l.room) OVER (ORDER BY l.expires_at NULLS LAST, l.grant_id) - l.room)::bigint
    FROM (SELECT g.grant_id, g.expires_at, GREATEST(0, g.amount - COALESCE(d.drawn, 0)) AS room
            FROM entitlements e
           CROSS JOIN LATERAL jsonb_to_recordset(e.grants)
                   AS g (grant_id uuid, metric text, amount bigint, expires_at timestamptz)
            LEFT JOIN grant_draws d ON d.user_id = p_user AND d.metric = p_metric AND d.grant_id = g.grant_id
           WHERE e.user_id = p_user AND g.metric = p_metric AND (g.expires_at IS NULL OR g.expires_at > p_now)) l
$$;

CREATE FUNCTION usage_room_v1(p_user uuid, p_metric text, p_now timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT COALESCE(sum(room), 0)::bigint FROM usage_grants_v1(p_user, p_metric, p_now)
$$;

-- Two periods of a user may draw at the same moment, when one ends and the other begins: they take turns here.
CREATE FUNCTION usage_lock_grants_v1(p_user uuid, p_metric text, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO grant_draws (user_id, metric, grant_id, expires_at)
    SELECT p_user, p_metric, g.grant_id, g.expires_at
      FROM usage_grants_v1(p_user, p_metric, p_now) g ORDER BY g.grant_id
    ON CONFLICT DO NOTHING;
  PERFORM 1 FROM grant_draws WHERE user_id = p_user AND metric = p_metric ORDER BY grant_id FOR NO KEY UPDATE;
END $$;

-- Let grants pay for p_want units of a period of which they have paid for p_drawn. Returns what they pay for now: less
-- than wanted when they hold less.
CREATE FUNCTION usage_cover_v1(p_user uuid, p_metric text, p_drawn bigint, p_want bigint, p_now timestamptz)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_more bigint := p_want - p_drawn;
  v_taken bigint;
BEGIN
  IF v_more = 0 THEN RETURN p_drawn; END IF;
  PERFORM usage_lock_grants_v1(p_user, p_metric, p_now);
  IF v_more > 0 THEN
    WITH taken AS (
      UPDATE grant_draws d SET drawn = d.drawn + LEAST(g.room, v_more - g.before), expires_at = g.expires_at
        FROM usage_grants_v1(p_user, p_metric, p_now) g
       WHERE d.user_id = p_user AND d.metric = p_metric AND d.grant_id = g.grant_id
         AND g.room > 0 AND g.before < v_more
      RETURNING LEAST(g.room, v_more - g.before) AS units)
    SELECT COALESCE(sum(units), 0) INTO v_taken FROM taken;
    RETURN p_drawn + v_taken;
  END IF;
  UPDATE grant_draws d SET drawn = d.drawn - LEAST(d.drawn, -v_more - b.before)
    FROM (SELECT x.grant_id,
                 sum(x.drawn) OVER (ORDER BY x.expires_at DESC NULLS FIRST, x.grant_id DESC) - x.drawn AS before
            FROM grant_draws x WHERE x.user_id = p_user AND x.metric = p_metric AND x.drawn > 0) b
   WHERE d.user_id = p_user AND d.metric = p_metric AND d.grant_id = b.grant_id AND b.before < -v_more;
  RETURN p_want;
END $$;

-- Whether plan and grants together have so many units left; p_limit is the plan's own limit. Locks the grants it needs.
CREATE FUNCTION usage_fits_v1(c usage_counters, p_units bigint, p_limit bigint, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_paid bigint := c.used + c.reserved - c.drawn;
  v_over bigint := v_paid + p_units - GREATEST(p_limit, v_paid);
BEGIN
  IF v_over <= 0 THEN RETURN true; END IF;
  PERFORM usage_lock_grants_v1(c.user_id, c.metric, p_now);
  RETURN v_over <= usage_room_v1(c.user_id, c.metric, p_now);
END $$;

-- Hold units that fit.
CREATE FUNCTION usage_take_v1(
  c usage_counters, p_units bigint, p_limit bigint, p_end timestamptz, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_plan bigint := GREATEST(p_limit, c.used + c.reserved - c.drawn);
  v_drawn bigint := usage_cover_v1(
    c.user_id, c.metric, c.drawn, GREATEST(0, c.used + c.reserved + p_units - v_plan), p_now);
BEGIN
  UPDATE usage_counters
    SET reserved = reserved + p_units, drawn = v_drawn, plan_lim = v_plan, period_end = p_end,
        lim = v_plan + v_drawn + usage_room_v1(c.user_id, c.metric, p_now)
    WHERE user_id = c.user_id AND metric = c.metric AND period_start = c.period_start;
END $$;

-- Give a hold back and count what was used; grants then pay for what the plan does not.
CREATE FUNCTION usage_book_v1(c usage_counters, p_held bigint, p_used bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_total bigint := c.used + p_used + c.reserved - p_held;
BEGIN
  UPDATE usage_counters
    SET used = used + p_used, reserved = reserved - p_held, notices = c.notices,
        drawn = usage_cover_v1(c.user_id, c.metric, c.drawn, GREATEST(0, v_total - c.plan_lim), p_now)
    WHERE user_id = c.user_id AND metric = c.metric AND period_start = c.period_start;
END $$;
"""
