"""Every table of every service, from the metadata that the migrations are checked against."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from sqlalchemy import Column, Index, MetaData, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from shared.database import View

HEAD = """# The data model

Generated from the services' metadata by `./atelier docs`. Each service owns one database; there are no foreign keys
between services. Every database also has the plumbing's tables `outbox`, `inbox`, `idempotency_keys` and `rate_limits`.
"""
PLUMBING = frozenset({"outbox", "inbox", "idempotency_keys", "rate_limits"})
DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Owner(Protocol):
    """What this document needs to know of a service."""

    @property
    def name(self) -> str: ...
    @property
    def metadata(self) -> MetaData: ...


def data_model(services: Sequence[Owner]) -> str:
    parts = [HEAD]
    for service in sorted(services, key=lambda each: each.name):
        parts.append(f"\n## {service.name}\n")
        tables = [table for table in service.metadata.sorted_tables if table.name not in PLUMBING]
        parts += [_table(table) for table in sorted(tables, key=lambda table: table.name)]
        parts += [_view(view, service.metadata) for view in service.metadata.info.get("views", ())]
    return "".join(parts)


def _table(table: Table) -> str:
    columns = "".join(_column(column) for column in table.columns)
    rules = [*_uniques(table), *_indexes(table)]
    listed = "".join(f"- {rule}\n" for rule in sorted(rules))
    head = "| column | type | |\n|---|---|---|\n"
    return f"\n### {table.name}\n\n{head}{columns}" + (f"\n{listed}" if listed else "")


def _view(view: View, metadata: MetaData) -> str:
    table = metadata.tables[view.table]
    kinds = {column.name: column.type.compile(dialect=DIALECT).lower() for column in table.columns} | view.types
    columns = "".join(f"| {name} | {kinds[name]} | |\n" for name in view.columns)
    head = f"\n### {view.name}\n\nA view over `{view.table}`: {view.shows}.\n"
    return f"{head}\n| column | type | |\n|---|---|---|\n{columns}"


def _column(column: "Column[object]") -> str:
    notes = ["primary key"] if column.primary_key else [] if column.nullable else ["required"]
    notes += ["unique"] if column.unique else []
    notes += [f"references {key.target_fullname}" + _cascade(key.ondelete) for key in column.foreign_keys]
    kind = column.type.compile(dialect=DIALECT).lower()
    return f"| {column.name} | {kind} | {', '.join(notes)} |\n"


def _cascade(rule: str | None) -> str:
    return f" on delete {rule.lower()}" if rule else ""


def _uniques(table: Table) -> Iterator[str]:
    for constraint in table.constraints:
        # A column that is unique by itself says so in its own line.
        if isinstance(constraint, UniqueConstraint) and not all(column.unique for column in constraint.columns):
            yield f"unique ({', '.join(column.name for column in constraint.columns)})"


def _indexes(table: Table) -> Iterator[str]:
    for index in table.indexes:
        yield _written(index)


def _written(index: Index) -> str:
    """The index as SQL says it, without the words that are the same for all."""
    statement = " ".join(str(CreateIndex(index).compile(dialect=DIALECT)).split())
    kind = "unique index" if index.unique else "index"
    return f"{kind} `{index.name}` on {statement.split(' ON ', 1)[1].split(' ', 1)[1]}"
