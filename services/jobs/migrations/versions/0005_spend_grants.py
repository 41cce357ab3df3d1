"""Grants are spent once, whatever the number of periods they live through."""

from pathlib import Path

from alembic import op

from shared.grants import GRANTS_V1

revision = "0005"
down_revision = "0004"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute(GRANTS_V1)
    op.execute((SQL / "0005_spend_grants.sql").read_text())
    op.execute("DROP FUNCTION usage_hold_v1")
