from alembic import op

from shared.events.tables import PLUMBING_V1

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(PLUMBING_V1)
    op.execute(
        "CREATE TABLE notes (id uuid CONSTRAINT notes_pkey PRIMARY KEY, owner uuid NOT NULL, words text NOT NULL CONSTRAINT notes_words_key UNIQUE, version bigint NOT NULL)"
    )
    op.execute(
        "CREATE TABLE effects (key text CONSTRAINT effects_pkey PRIMARY KEY, times bigint NOT NULL, position bigint NOT NULL)"
    )
