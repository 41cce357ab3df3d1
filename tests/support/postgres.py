"""One Postgres for the whole run, one migrated template per service, one cloned database per test."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit
from uuid import uuid4
from zlib import crc32

import psycopg

from deploy.embedded.postgres import PostgresServer, start_postgres
from shared import migrations
from shared.service import Service

SERVER_VARIABLE = "ATELIER_TEST_POSTGRES"


@contextmanager
def throwaway_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A throw-away server, without fsync unless it is to be `durable`; its URL reaches others by the environment."""
    with tempfile.TemporaryDirectory(prefix="atelier-test-") as folder:
        server = start_postgres(Path(folder) / "postgres", fast_unsafe=not durable)
        try:
            with patch.dict(os.environ, {SERVER_VARIABLE: server.url()}):
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
    with making_template(name) as draft:
        if draft:
            _create(draft)
            migrations.upgrade(service, url_of(draft))
    return name


@contextmanager
def making_template(name: str) -> Iterator[str | None]:
    """The name under which the template is to be made, or None when somebody has made it. Others wait meanwhile."""
    with psycopg.connect(server_url(), autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(hashtext(%s))", (name,))
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            yield None
            return
        draft = f"{name}_draft"
        admin.execute(f'DROP DATABASE IF EXISTS "{draft}" WITH (FORCE)')
        yield draft
        admin.execute(f'ALTER DATABASE "{draft}" RENAME TO "{name}"')


def _create(name: str, template: str = "template1") -> None:
    with psycopg.connect(server_url(), autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')


@contextmanager
def database_of(service: Service, *, template: str | None = None, name: str | None = None) -> Iterator[str]:
    """The URL of a fresh database for one service: migrated, or as `template` is. A named one outlives the block."""
    fresh = name or f"{service.name}_{uuid4().hex[:12]}"
    _create(fresh, template or _template_of(service))
    try:
        yield url_of(fresh)
    finally:
        if name is None:
            with psycopg.connect(server_url(), autocommit=True) as admin:
                admin.execute(f'DROP DATABASE IF EXISTS "{fresh}" WITH (FORCE)')
