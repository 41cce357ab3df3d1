"""Attempts are settled by their key.

A runner's connection keeps the plan of its first settles. Made while `job_attempts` is nearly empty, that plan reads the
whole table, so that each further settle of a burst costs more until the table is analyzed.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

SETTLE = "jobs_settle_v1(uuid, uuid, text, jsonb, timestamptz)"


def upgrade() -> None:
    op.execute(f"ALTER FUNCTION {SETTLE} SET enable_seqscan = off")
