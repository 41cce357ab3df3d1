"""One database and one login role per service, on any Postgres whose role may create them."""

from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql

# Any constant will do; it keeps two processes that start at once from creating the same role.
PREPARE_LOCK = 0x4174656C
# These would override what the path and the user part of the URL say.
OVERRIDING_PARAMETERS = frozenset({"dbname", "user", "password"})


class DatabasesUnavailable(Exception):
    """The server cannot be reached, or its role may not do what is needed; the message says which."""


def prepare_databases(server_url: str, names: Sequence[str], secrets: Callable[[str], str]) -> dict[str, str]:
    """Create what is missing and return each name's URL; `secrets(name)` is the password its role then has.

    A role may connect to the database of its own name only. Idempotent, also when run by two processes at once.
    Raises DatabasesUnavailable.
    """
    plain_url = _without_driver(server_url)
    passwords = {name: secrets(name) for name in names}
    try:
        with psycopg.connect(plain_url, autocommit=True, connect_timeout=10) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [PREPARE_LOCK])
            for name in names:
                _prepare(connection, name, passwords[name])
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabasesUnavailable(
            f"the role of {_address(plain_url)} may not create databases and roles ({_reason(error)}): "
            "give it CREATEDB and CREATEROLE, or create them yourself and set <SERVICE>_DATABASE_URL for each service"
        ) from error
    except psycopg.OperationalError as error:
        raise DatabasesUnavailable(f"cannot use the server at {_address(plain_url)}: {_reason(error)}") from error
    return {name: _url_for(plain_url, name, passwords[name]) for name in names}


def _prepare(connection: psycopg.Connection, name: str, password: str) -> None:
    identifier = sql.Identifier(name)
    _prepare_role(connection, name, password)
    if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(identifier, identifier))
    connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(identifier))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(identifier, identifier))


def _prepare_role(connection: psycopg.Connection, name: str, password: str) -> None:
    identifier = sql.Identifier(name)
    if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name):
        connection.execute(sql.SQL("CREATE ROLE {}").format(identifier))
        if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = current_user AND rolsuper"):
            # Only a member of the role may create a database that belongs to it.
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(identifier))
    # The verifier is made here, so that the password itself cannot appear in the server's statement log.
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(identifier, sql.Literal(verifier)))


def _exists(connection: psycopg.Connection, query: str, *values: str) -> bool:
    return connection.execute(query.encode(), values).fetchone() is not None


def _without_driver(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise DatabasesUnavailable("DATABASE_URL must look like postgresql://user:password@host:5432/postgres")
    return f"postgresql://{rest}"


def _url_for(server_url: str, name: str, password: str) -> str:
    parts = urlsplit(server_url)
    hosts = parts.netloc.rpartition("@")[2]
    role = f"{quote(name, safe='')}:{quote(password, safe='')}"
    query = [(key, value) for key, value in parse_qsl(parts.query) if key not in OVERRIDING_PARAMETERS]
    return urlunsplit(parts._replace(netloc=f"{role}@{hosts}", path=f"/{quote(name, safe='')}", query=urlencode(query)))


def _address(url: str) -> str:
    """Name the server in a message without its password."""
    return urlsplit(url).netloc.rpartition("@")[2] or "the local socket"


def _reason(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
