"""Conversations, their answers and what is metered. The SQL stands in files of its own; once released, they never change."""

from pathlib import Path

from alembic import op

from shared.events.tables import PLUMBING_V1

revision = "0001"
down_revision = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute(PLUMBING_V1)
    for name in ("0001_tables.sql", "0001_usage.sql", "0001_talk.sql"):
        op.execute((SQL / name).read_text())
