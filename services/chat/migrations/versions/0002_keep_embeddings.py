"""Vectors of the FAQ's texts are kept, so that only the first start makes them."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE embeddings (
          model text NOT NULL, text_hash bytea NOT NULL, vector bytea NOT NULL,
          CONSTRAINT embeddings_pkey PRIMARY KEY (model, text_hash)
        );
        COMMENT ON COLUMN embeddings.text_hash IS 'SHA-256 of the text';
        COMMENT ON COLUMN embeddings.vector IS '384 little-endian floats of 4 bytes';
    """)
