"""Which service owns a path: the manifests' patterns, compiled once, the most specific first."""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from shared.service import Service

NOT_PLAIN = re.compile(r"//|\\|[\x00-\x1f]|/\.{1,2}(?:/|$)")
INTERNAL = re.compile(r"/(?:_verify|internal|livez|readyz|metrics)(?:/|$)", re.IGNORECASE)


class RouteTable:
    def __init__(self, services: Iterable[Service]) -> None:
        patterns = [(pattern, service.name) for service in services for pattern in service.paths]
        by_length = sorted(patterns, key=lambda entry: -len(entry[0]))
        self._owners = [name for _, name in by_length]
        # One expression of all patterns: the group that matched tells which.
        self._expression = re.compile("|".join(f"({_expression(pattern)})" for pattern, _ in by_length))

    def owner_of(self, path: str) -> str | None:
        """The service that owns the path, or None. Paths that are not plain belong to nobody."""
        if not is_plain(path):
            return None
        found = self._expression.fullmatch(path)
        return self._owners[found.lastindex - 1] if found and found.lastindex else None


def _expression(pattern: str) -> str:
    """`/v1/me*` is `/v1/me` and what lies below it; `/v1/x/*` likewise; `{code}` is one segment."""
    if pattern.endswith("*"):
        return re.escape(pattern[:-1].rstrip("/")) + r"(?:/.*)?"
    return re.sub(r"\\\{[^/]+\\\}", r"[^/]+", re.escape(pattern))


def is_plain(path: str) -> bool:
    """No dot segments, empty segments, backslashes or control characters, and nothing of ours that is internal."""
    return not (NOT_PLAIN.search(path) or INTERNAL.search(unquote(path)))
