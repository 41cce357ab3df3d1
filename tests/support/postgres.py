"""One Postgres for the whole run, one migrated template per service, one cloned database per test."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4
from zlib import crc32

import psycopg

from deploy.embedded.postgres import PostgresServer, start_postgres
from shared import migrations
from shared.service import Service

SERVER_VARIABLE = "ATELIER_TEST_POSTGRES"


@contextmanager
def test_server() -> Iterator[PostgresServer]:
    """A throw-away server without fsync; its URL reaches xdist workers through the environment."""
    with tempfile.TemporaryDirectory(prefix="atelier-test-") as folder:
        server = start_postgres(Path(folder) / "postgres", fast_unsafe=True)
        os.environ[SERVER_VARIABLE] = server.url()
        try:
            yield server
        finally:
            server.stop()


def server_url() -> str:
    return os.environ[SERVER_VARIABLE]


def url_of(database: str) -> str:
    return urlsplit(server_url())._replace(path=f"/{database}").geturl()


def _template_of(service: Service) -> str:
    """The service's migrated template, made by whichever worker comes first.

    Toys borrow the names of real services, so the migrations tell templates apart.
    """
    name = f"template_{service.name}_{crc32(bytes(service.migrations)):08x}"
    with psycopg.connect(server_url(), autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(hashtext(%s))", (name,))
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            draft = f"{name}_draft"
            admin.execute(f'DROP DATABASE IF EXISTS "{draft}" WITH (FORCE)')
            admin.execute(f'CREATE DATABASE "{draft}"')
            migrations.upgrade(service, url_of(draft))
            admin.execute(f'ALTER DATABASE "{draft}" RENAME TO "{name}"')
        admin.execute("SELECT pg_advisory_unlock(hashtext(%s))", (name,))
    return name


@contextmanager
def database_of(service: Service) -> Iterator[str]:
    """The URL of a fresh, migrated database for one service; dropped afterwards."""
    template, name = _template_of(service), f"{service.name}_{uuid4().hex[:12]}"
    with psycopg.connect(server_url(), autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')
    try:
        yield url_of(name)
    finally:
        with psycopg.connect(server_url(), autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
