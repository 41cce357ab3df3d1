"""Keyset pagination with signed cursors: `{items, next_cursor}`, no offsets, no repeats, no skips."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar, cast
from uuid import UUID

import orjson
from fastapi import Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Select, SQLColumnExpression, literal, tuple_

from shared.errors import BadRequest

Item = TypeVar("Item")
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=2048)]


class Page(BaseModel, Generic[Item]):
    model_config = ConfigDict(from_attributes=True)

    items: list[Item]
    next_cursor: str | None


class Cursors:
    """Signs and reads cursors. A cursor is bound to its list (name and filters), so it can't be used on another."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"cursor:" + secret.encode()).digest()

    def sign(self, scope: str, values: Sequence[Any]) -> str:
        payload = orjson.dumps([_plain(value) for value in values])
        return base64.urlsafe_b64encode(self._mac(scope, payload) + payload).rstrip(b"=").decode()

    def read(self, scope: str, cursor: str) -> list[Any]:
        """The values a cursor carries. Raises BadRequest for a cursor that is not ours or of another list."""
        try:
            raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        except ValueError as error:
            raise BadRequest("The cursor is not valid.", code="bad_cursor") from error
        mac, payload = raw[:16], raw[16:]
        if not hmac.compare_digest(mac, self._mac(scope, payload)):
            raise BadRequest("The cursor is not valid for this list.", code="bad_cursor")
        values: list[Any] = orjson.loads(payload)
        return values

    def _mac(self, scope: str, payload: bytes) -> bytes:
        return hmac.digest(self._key, scope.encode() + b"\0" + payload, "sha256")[:16]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value


def after(
    statement: Select[Any],
    columns: Sequence[SQLColumnExpression[Any]],
    values: Sequence[Any] | None,
    *,
    descending: bool,
) -> Select[Any]:
    """Order by the columns and start behind `values`. The last column must be unique."""
    if values is not None:
        typed = tuple_(*columns)
        bound = tuple_(*[_bind(column, value) for column, value in zip(columns, values, strict=True)])
        statement = statement.where(typed < bound if descending else typed > bound)
    return statement.order_by(*[column.desc() if descending else column.asc() for column in columns])


def _bind(column: SQLColumnExpression[Any], value: Any) -> Any:
    kind = cast("ColumnElement[Any]", column).type
    if kind.python_type is datetime:
        value = datetime.fromisoformat(value)
    elif kind.python_type is UUID:
        value = UUID(value)
    return literal(value, kind)


def page_of(
    rows: Sequence[Row], limit: int, to_item: Callable[[Row], Item], to_cursor: Callable[[Row], str]
) -> "Page[Item]":
    """A page from `limit + 1` rows: the extra row only tells that there is more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(items=[to_item(row) for row in shown], next_cursor=to_cursor(shown[-1]) if more else None)
