"""Outgoing webhooks: endpoints, and messages that are written with the ending they tell of."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0004_webhooks.sql").read_text())
