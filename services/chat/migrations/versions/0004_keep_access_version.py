"""Which word of accounts about a user was the last one."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE entitlements ADD COLUMN access_version bigint NOT NULL DEFAULT 0;
        COMMENT ON COLUMN entitlements.access_version
          IS 'the version of the user at which accounts last closed or opened the account';
    """)
