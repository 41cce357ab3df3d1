"""Identifiers: UUIDv7, made by the application so that they sort by time on every Postgres version."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    return uuid7()
