"""Runners elsewhere: what they announce to send, and who did the work."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0002_attached_runners.sql").read_text())
