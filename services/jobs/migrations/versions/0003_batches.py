"""Batches: many jobs accepted together, and one event when the last has ended."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0003_batches.sql").read_text())
