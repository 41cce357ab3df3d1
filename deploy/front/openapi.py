"""One OpenAPI document out of five: only public paths, each service's component names kept apart."""

import re
from collections.abc import Mapping
from typing import Any

from shared.problems import PROBLEM_SCHEMA, RESPONSES

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
            paths[path] = {method: _with_shared_problems(operation) for method, operation in operations.items()}
    schemas["Problem"] = PROBLEM_SCHEMA
    return {
        "openapi": "3.1.0",
        "info": {"title": "Atelier", "version": "1"},
        "paths": dict(sorted(paths.items())),
        "components": {"responses": _PROBLEMS, "schemas": dict(sorted(schemas.items()))},
    }


_SCHEMA = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_PROBLEMS = {str(status): {**response, "content": _SCHEMA} for status, response in RESPONSES.items()}


def _with_shared_problems(operation: dict[str, Any]) -> dict[str, Any]:
    """Every operation may answer every problem; told once, the document is a tenth of its size."""
    responses = {
        status: {"$ref": f"#/components/responses/{status}"}
        if status in _PROBLEMS and _is_shared(response)
        else response
        for status, response in operation["responses"].items()
    }
    return {**operation, "responses": responses}


def _is_shared(response: dict[str, Any]) -> bool:
    return any(response == shared for shared in RESPONSES.values())


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
