"""Schema migrations: one Alembic environment for all services, each in its own database under an advisory lock.

A revision is named `NNNN_sentence.py` with `revision = "NNNN"`, so the newest file tells the head without loading
Alembic, and a warm start costs one query.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import Connection, create_engine

if TYPE_CHECKING:
    from alembic.config import Config

    from shared.service import Service

LOCK = "SELECT pg_advisory_lock(hashtext('atelier:migrations'))"
UNLOCK = "SELECT pg_advisory_unlock(hashtext('atelier:migrations'))"


def head_of(migrations: Path) -> str:
    """The newest revision's name."""
    return max(path.name.split("_")[0] for path in (migrations / "versions").glob("[0-9]*_*.py"))


def upgrade(service: "Service", url: str) -> bool:
    """Bring the database at `url` to the service's head. Returns whether anything was applied."""
    if _current(url) == head_of(service.migrations):
        return False
    from alembic import command  # noqa: PLC0415 - a warm start needs no Alembic

    with _locked(url) as connection:
        command.upgrade(_config(service, connection), "head")
    return True


def sql_of(service: "Service") -> str:
    """The SQL of all migrations, for people who run it themselves."""
    from alembic import command  # noqa: PLC0415

    out = io.StringIO()
    command.upgrade(_config(service, None, out), "head", sql=True)
    return out.getvalue()


def differences(service: "Service", url: str) -> list[Any]:
    """What the models say and the migrated database lacks, or the other way round."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415

    with _locked(url) as connection:
        options = {"compare_type": True, "compare_server_default": False}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), service.metadata))


def run_environment() -> None:
    """What each service's `migrations/env.py` calls."""
    from alembic import context  # noqa: PLC0415

    connection: Connection | None = context.config.attributes.get("connection")
    if connection is None:
        context.configure(dialect_name="postgresql", literal_binds=True, transactional_ddl=True)
    else:
        context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def _config(service: "Service", connection: Connection | None, out: io.StringIO | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415

    config = Config(output_buffer=out) if out else Config()
    config.set_main_option("script_location", str(service.migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _current(url: str) -> str | None:
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row[0] if row else None


@contextmanager
def _locked(url: str) -> Iterator[Connection]:
    """A connection of ours alone: waiting for a table lock fails fast instead of queueing the whole API behind it."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SET statement_timeout = '300s'")
            connection.exec_driver_sql(LOCK)
            connection.exec_driver_sql("SET lock_timeout = '5s'")
            connection.commit()
            yield connection
            connection.commit()
            connection.exec_driver_sql(UNLOCK)
            connection.commit()
    finally:
        engine.dispose()
