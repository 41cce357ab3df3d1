"""Providers elsewhere: which one was asked for, and what it has been asked."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0006_providers.sql").read_text())
