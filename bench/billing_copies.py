"""Thousands of subscribers at once: one who bought is copied, on both sides, under new ids."""

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from tests.support.billing import Shop

# Parents first. Events, prices and products are nobody's own.
TABLES = ("billing_customers", "checkouts", "subscriptions", "payments", "payment_attempts", "invoices")
SHARED = ("event", "price", "product", "webhook_endpoint")
STRIPE_ID = re.compile(r"\b(?:cus|cs|sub|si|in|il|inpay|pi|ch|pm|seti|py)_[A-Za-z0-9_]+")
UUID_TEXT = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")

Row = tuple[str, str]


async def copy_subscriber(shop: Shop, twin_url: str, user_id: UUID, count: int) -> None:
    """`count` more subscribers who are to Stripe and to us what this one is."""
    ours = [(table, row) for table in TABLES for row in await _rows_of(shop, table, user_id)]
    async with await psycopg.AsyncConnection.connect(twin_url, row_factory=dict_row, autocommit=True) as twin:
        found = await twin.execute("SELECT kind, body::text AS body FROM objects WHERE kind <> ALL(%s)", [list(SHARED)])
        theirs = [(row["kind"], row["body"]) for row in await found.fetchall()]
        # One transaction on each side: thousands of commits to the disk would take longer than what is measured.
        async with twin.transaction(), shop.svc.runtime.database.pool.connection() as own, own.transaction():
            for number in range(count):
                renamed = Renamed(number)
                await _insert_theirs(twin, [(kind, renamed(body)) for kind, body in theirs])
                await _insert_ours(own, [(table, renamed(row)) for table, row in ours])


class Renamed:
    """Gives every id in a text a new one, the same for the same."""

    def __init__(self, number: int) -> None:
        self._suffix = f"n{number:06d}"
        self._uuids: dict[str, str] = {}

    def __call__(self, body: str) -> str:
        body = STRIPE_ID.sub(lambda found: f"{found[0]}{self._suffix}", body)
        return UUID_TEXT.sub(lambda found: self._uuids.setdefault(found[0], str(uuid4())), body)


async def _rows_of(shop: Shop, table: str, user_id: UUID) -> Iterator[str]:
    owner = "payment_id IN (SELECT id FROM payments WHERE user_id = %(user)s)"
    condition = owner if table == "payment_attempts" else "user_id = %(user)s"
    query = f"SELECT row_to_json(t)::text AS row FROM {table} t WHERE {condition}"  # noqa: S608 - constants
    return iter([row["row"] for row in await shop.svc.rows(query, user=user_id)])


async def _insert_theirs(twin: psycopg.AsyncConnection[Any], rows: list[Row]) -> None:
    async with twin.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO objects (kind, id, customer, created, body) VALUES (%s, %s, %s, %s, %s)",
            [_object(kind, json.loads(body)) for kind, body in rows],
        )


def _object(kind: str, body: dict[str, Any]) -> tuple[Any, ...]:
    customer = body["id"] if kind == "customer" else body.get("customer")
    return kind, body["id"], customer, body.get("created", 0), json.dumps(body)


async def _insert_ours(own: psycopg.AsyncConnection[Any], rows: list[Row]) -> None:
    for table, row in rows:
        await own.execute(
            f"INSERT INTO {table} SELECT * FROM json_populate_record(NULL::{table}, %s::json)".encode(),  # noqa: S608
            [row],
        )
