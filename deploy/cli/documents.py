"""Writes the generated documents and tells which of the committed ones are out of date."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deploy.documents.asyncapi import asyncapi
from deploy.documents.data_model import data_model
from deploy.documents.event_table import event_table
from deploy.documents.manifests import Manifest
from deploy.front.openapi import merged
from deploy.gateway.generate import caddyfile
from shared.contracts.compatibility import breaking_changes, schema_of
from shared.contracts.golden import committed_schema, file_name
from shared.contracts.registry import all_versions
from shared.service import openapi_of

SCHEMA_FOLDER = "shared/contracts/schemas"

Generator = Callable[[Sequence[Manifest]], str]


class BreakingChange(ValueError):
    """A committed schema may only grow: give the changed event a new version beside the old one."""


def as_json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


GENERATORS: dict[str, Generator] = {
    "docs/events.md": event_table,
    "docs/asyncapi.json": lambda services: as_json(asyncapi(services)),
    "docs/openapi.json": lambda services: as_json(
        merged({each.name: openapi_of(each.name, each.router) for each in services})
    ),
    "docs/data-model.md": data_model,
    "deploy/gateway/Caddyfile": caddyfile,
    "deploy/gateway/Caddyfile.production": lambda services: caddyfile(services, production=True),
    "shared/contracts/consumers.json": lambda services: as_json(consumers(services)),
}


def consumers(services: Sequence[Manifest]) -> dict[str, list[str]]:
    """Event type -> names of the services that subscribe to it."""
    heard = {(entry.event.event_type, service.name) for service in services for entry in service.subscribes}
    return {kind: sorted(name for other, name in heard if other == kind) for kind, _ in sorted(heard)}


def write_documents(root: Path) -> None:
    """Write every generated file below `root`. Raises BreakingChange before it overwrites a schema it would break."""
    refuse_breaking_changes()
    for path, text in documents(_services()).items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def stale_documents(root: Path) -> list[str]:
    """Paths below `root` that are missing, differ from what would be written, or describe an event that is gone."""
    wanted = documents(_services())
    stale = [path for path, text in wanted.items() if not _holds(root / path, text)]
    return stale + [path for path in _schemas_below(root) if path not in wanted]


def documents(services: Sequence[Manifest]) -> dict[str, str]:
    """Every generated file's content by its path from the root."""
    return {**schema_documents(), **{path: generate(services) for path, generate in GENERATORS.items()}}


def schema_documents() -> dict[str, str]:
    return {f"{SCHEMA_FOLDER}/{file_name(event)}": as_json(schema_of(event)) for event in all_versions().values()}


def refuse_breaking_changes() -> None:
    """Compares the models with the committed schemas. Raises BreakingChange with every finding."""
    found = [
        f"{event.event_type}: {change}"
        for event in all_versions().values()
        if (committed := committed_schema(event))
        for change in breaking_changes(committed, schema_of(event))
    ]
    if found:
        raise BreakingChange("; ".join(found))


def _services() -> Sequence[Manifest]:
    # The services are read when documents are made, so that the generators import without them.
    from deploy.services import SERVICES  # noqa: PLC0415

    return SERVICES


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _schemas_below(root: Path) -> list[str]:
    return [f"{SCHEMA_FOLDER}/{path.name}" for path in sorted((root / SCHEMA_FOLDER).glob("*.json"))]
