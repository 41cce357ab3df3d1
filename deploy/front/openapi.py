"""One OpenAPI document out of five: only public paths, each service's component names kept apart."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = ("/_verify", "/internal", "/livez", "/readyz", "/metrics")


class PathClash(ValueError):
    """Two services claim one operation."""


def merged(documents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The platform's document. Raises PathClash."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for service, document in documents.items():
        renamed = _with_prefix(document, service)
        schemas |= renamed.get("components", {}).get("schemas", {})
        for path, operations in renamed["paths"].items():
            if path.startswith(HIDDEN):
                continue
            if path in paths:
                raise PathClash(f"{path} belongs to two services")
            paths[path] = operations
    return {
        "openapi": "3.1.0",
        "info": {"title": "Atelier", "version": "1"},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _with_prefix(document: dict[str, Any], service: str) -> dict[str, Any]:
    """The document with `service_` before each component's name, in definitions and references alike."""
    prefix = service.capitalize()

    def renamed(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: _reference(value, prefix) if key == "$ref" else renamed(value) for key, value in node.items()}
        return [renamed(entry) for entry in node] if isinstance(node, list) else node

    result: dict[str, Any] = renamed(document)
    schemas = result.get("components", {}).get("schemas", {})
    if schemas:
        result["components"]["schemas"] = {f"{prefix}{name}": schema for name, schema in schemas.items()}
    return result


def _reference(value: Any, prefix: str) -> Any:
    return (
        re.sub(r"^#/components/schemas/", f"#/components/schemas/{prefix}", value) if isinstance(value, str) else value
    )
