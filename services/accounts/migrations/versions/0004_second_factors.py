"""Second factors, recovery codes, and logins that wait for one."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE user_factors (
          id uuid NOT NULL CONSTRAINT user_factors_pkey PRIMARY KEY,
          user_id uuid NOT NULL CONSTRAINT user_factors_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
          kind text NOT NULL CONSTRAINT user_factors_kind_check CHECK (kind IN ('totp')),
          name text NOT NULL,
          secret bytea NOT NULL,
          last_step bigint NOT NULL,
          confirmed_at timestamptz,
          last_used_at timestamptz,
          created_at timestamptz NOT NULL
        );
        CREATE INDEX user_factors_user_id_idx ON user_factors (user_id, created_at);
        COMMENT ON COLUMN user_factors.secret IS 'the seed, encrypted with ACCOUNTS_FACTOR_SECRET';
        CREATE TABLE recovery_codes (
          user_id uuid NOT NULL CONSTRAINT recovery_codes_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
          code_hash bytea NOT NULL,
          used_at timestamptz,
          created_at timestamptz NOT NULL,
          CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, code_hash)
        );
        CREATE TABLE login_challenges (
          token_hash bytea NOT NULL CONSTRAINT login_challenges_pkey PRIMARY KEY,
          user_id uuid NOT NULL CONSTRAINT login_challenges_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
          password_hash text NOT NULL,
          tries smallint NOT NULL,
          expires_at timestamptz NOT NULL
        );
        CREATE INDEX login_challenges_user_id_idx ON login_challenges (user_id);
        CREATE INDEX login_challenges_expires_at_idx ON login_challenges (expires_at);
        COMMENT ON COLUMN login_challenges.password_hash IS
          'the one that was right; the login is void once it changes';
    """)
